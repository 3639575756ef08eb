//! Runs a test in a process of its own, and in a network namespace of its own if possible.

#![allow(clippy::print_stdout, reason = "reports missing isolation")]

use std::process::Command;

use campanile_tests::external_checkers::skip;

/// The environment variable with the name of the test in its child process.
const CHILD: &str = "CAMPANILE_TEST_CHILD";
/// The environment variable that is set if the network is more than loopback.
const OUTSIDE_NETWORK: &str = "CAMPANILE_TEST_OUTSIDE_NETWORK";

/// Runs the calling test in a child process, because the recorder and the in-flight table belong to a process. Returns
/// true in the child process.
///
/// The network of the child has only `lo`. Without the privilege for that, a message is printed, and the browser resolves
/// no names; see [`has_outside_network`]. Without a browser the test is skipped.
pub(super) fn run_isolated(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some_and(|child| child == test) {
        return true;
    }
    for program in ["chromedriver", "chromium"] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            skip(&format!("{program} cannot be started: {error}"));
            return false;
        }
    }
    // In a process namespace of its own the browser ends with the test.
    let full = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let full_as_user = [&["--user", "--map-root-user"], &full[..]].concat();
    let options: [&[&str]; 4] = [
        &full,
        &full_as_user,
        &["--net"],
        &["--user", "--map-root-user", "--net"],
    ];
    let works = |option: &&&[&str]| {
        let output = Command::new("unshare")
            .args(**option)
            .args(["ip", "link", "set", "lo", "up"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let exe = std::env::current_exe().unwrap();
    let mut command = match options.iter().find(works) {
        Some(option) => {
            let mut command = Command::new("unshare");
            let up = r#"ip link set lo up && exec "$0" "$@""#;
            command.args(*option).args(["sh", "-c", up]).arg(exe);
            command
        }
        None => {
            println!("{test}: no network namespace is available; the browser resolves no names");
            let mut command = Command::new(exe);
            command.env(OUTSIDE_NETWORK, "1");
            command
        }
    };
    let output = command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .output()
        .unwrap();
    let [out, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(
        output.status.success(),
        "{test}: {}\n{out}\n{error}",
        output.status
    );
    assert!(out.contains("1 passed"), "there is no test {test}:\n{out}");
    false
}

/// Returns whether the network is more than loopback.
pub(super) fn has_outside_network() -> bool {
    std::env::var_os(OUTSIDE_NETWORK).is_some()
}
