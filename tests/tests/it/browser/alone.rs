//! Tests in a process of their own, and in a network of their own where that is to be had.

#![allow(
    clippy::print_stdout,
    reason = "whoever reads the tests' output wants to know"
)]

use std::process::Command;

use campanile_tests::judges::skip;

/// Set in the process of a test, to its name.
const CHILD: &str = "CAMPANILE_TEST_ALONE";
/// Set where the network is more than loopback.
const WIDE: &str = "CAMPANILE_TEST_WIDE";

/// Runs the test of this name, which calls it, in a process of its own: what the layers record is the process's, and so
/// is the table of requests. True in there.
///
/// The network there has nothing but `lo`. Where that takes a privilege that is not to be had, it says so, and the
/// browser is told to find no name; see [`is_wide`]. Without a browser the test skips itself.
pub(super) fn in_network_of_its_own(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some_and(|child| child == test) {
        return true;
    }
    for program in ["chromedriver", "chromium"] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            skip(&format!("{program} cannot be started: {error}"));
            return false;
        }
    }
    // With process numbers of its own the browser ends with the test, however that does.
    let whole = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let whole_by_user = [&["--user", "--map-root-user"], &whole[..]].concat();
    let ways: [&[&str]; 4] = [
        &whole,
        &whole_by_user,
        &["--net"],
        &["--user", "--map-root-user", "--net"],
    ];
    let works = |way: &&&[&str]| {
        let tried = Command::new("unshare")
            .args(**way)
            .args(["ip", "link", "set", "lo", "up"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let exe = std::env::current_exe().unwrap();
    let mut command = match ways.iter().find(works) {
        Some(way) => {
            let mut command = Command::new("unshare");
            let up = r#"ip link set lo up && exec "$0" "$@""#;
            command.args(*way).args(["sh", "-c", up]).arg(exe);
            command
        }
        None => {
            println!(
                "{test}: no network namespace is to be had, the browser is told to find no name but loopback's"
            );
            let mut command = Command::new(exe);
            command.env(WIDE, "1");
            command
        }
    };
    let output = command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .output()
        .unwrap();
    let [out, error] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
    assert!(
        output.status.success(),
        "{test}: {}\n{out}\n{error}",
        output.status
    );
    assert!(out.contains("1 passed"), "there is no test {test}:\n{out}");
    false
}

/// Tells whether the network is more than loopback.
pub(super) fn is_wide() -> bool {
    std::env::var_os(WIDE).is_some()
}
