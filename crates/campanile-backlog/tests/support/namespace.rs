//! A network namespace of a test's own, where nobody else's connections are counted.

use std::process::Command;
use std::sync::{PoisonError, RwLock};
use std::thread;

use rustix::thread::UnshareFlags;

/// Held to write by tests that close a listener and look whether it is closed: a child that another test just forked has a
/// copy of it until it becomes another program.
static CHILDREN: RwLock<()> = RwLock::new(());

/// Runs a test on a thread that alone is in a new network namespace, loopback up; skips it where that is not allowed.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let _others = CHILDREN.read().unwrap_or_else(PoisonError::into_inner);
    on_thread(test);
}

/// The same, while no other such test runs.
pub fn alone_in_namespace(test: impl FnOnce() + Send + 'static) {
    let _nobody = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
    on_thread(test);
}

/// Another one, within a test that has one already.
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

/// Set where whoever runs is root of a user namespace already.
const INSIDE: &str = "CAMPANILE_TEST_IN_USER_NAMESPACE";

fn enter() -> Result<(), String> {
    // SAFETY: only the network is left, no table of descriptors.
    #[allow(unsafe_code, reason = "a new namespace for this thread alone")]
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace cannot be made: {error}"))?;
    run("ip", &["link", "set", "lo", "up"]).map(drop)
}

/// Runs the test of this name again where its user is root; which takes another process, since only one of a single
/// thread can become that.
fn in_user_namespace(test: &str) {
    if test == "main" {
        return super::skip("with one thread for all tests, none knows its name");
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
        return super::skip("network namespaces take root, or `unshare` and user namespaces");
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
    // What was skipped in there was skipped here.
    println!("{}", text[0]);
}

/// Runs a program in this thread's namespace, and returns what it prints.
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

/// Reads one of the counts of this thread's namespace, apart from how the crate does it: by `nstat`'s way of old.
pub fn kernel_count(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let at = names
        .split(' ')
        .position(|found| found == name)
        .unwrap_or_else(|| panic!("the kernel counts no {name}"));
    values.split(' ').nth(at).unwrap().parse().unwrap()
}
