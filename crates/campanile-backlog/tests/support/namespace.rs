//! Network namespaces for single tests, whose counters see no other connections.

use std::process::Command;
use std::sync::{PoisonError, RwLock};
use std::thread;

use rustix::thread::UnshareFlags;

/// Locked for writing by tests that close a listener and check that it is closed: a child that another test has forked
/// holds a copy of the descriptor until it calls exec.
static CHILDREN: RwLock<()> = RwLock::new(());

/// Runs a test on a thread in a new network namespace with loopback up; skips it where that is not permitted.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let _others = CHILDREN.read().unwrap_or_else(PoisonError::into_inner);
    on_thread(test);
}

/// Runs a test like [`in_namespace`] while no other one runs.
pub fn alone_in_namespace(test: impl FnOnce() + Send + 'static) {
    let _others = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
    on_thread(test);
}

/// Runs a test in another namespace, within a test that is in one already.
pub fn in_namespace_within(test: impl FnOnce() + Send + 'static) {
    on_thread(test);
}

fn on_thread(test: impl FnOnce() + Send + 'static) {
    let name = thread::current().name().unwrap_or_default().to_owned();
    let done = thread::spawn(move || match enter() {
        Ok(()) => test(),
        Err(why) if std::env::var_os(INSIDE).is_some() => super::skip(&why),
        Err(_) => in_user_namespace(&name),
    });
    if let Err(panic) = done.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Set in a process that is root of a user namespace.
const INSIDE: &str = "CAMPANILE_TEST_IN_USER_NAMESPACE";

fn enter() -> Result<(), String> {
    // SAFETY: only the network namespace is unshared, not the descriptor table.
    #[allow(unsafe_code, reason = "a new namespace for this thread only")]
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace cannot be created: {error}"))?;
    run("ip", &["link", "set", "lo", "up"]).map(drop)
}

/// Runs the test of this name again as root of a user namespace, in another process: only a single-threaded one can
/// create it.
fn in_user_namespace(test: &str) {
    if test == "main" {
        return super::skip("the name of the test is unknown with --test-threads=1");
    }
    let unshare = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user"])
            .args(args)
            .env(INSIDE, "1");
        command
    };
    if !unshare(&["--net", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return super::skip("network namespaces need root, or `unshare` and user namespaces");
    }
    let program = std::env::current_exe().unwrap();
    let output = unshare(&[])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(
        output.status.success() && text[0].contains("1 passed"),
        "{test}: {}",
        text.concat()
    );
    // Includes the message if it was skipped.
    println!("{}", text[0]);
}

/// Runs a program in this thread's namespace, and returns its output.
pub fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads a counter of this thread's namespace, with a parser independent of the crate's.
pub fn kernel_count(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let at = names
        .split(' ')
        .position(|found| found == name)
        .unwrap_or_else(|| panic!("the kernel has no counter {name}"));
    values.split(' ').nth(at).unwrap().parse().unwrap()
}
