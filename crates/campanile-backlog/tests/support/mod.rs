//! A recorder whose values tests can read, captured log lines, network namespaces, and queues with clients.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this module"
)]
#![allow(clippy::print_stdout, reason = "a skipped test must show in the output")]

pub mod log;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod queue;
pub mod recorder;

/// With this environment variable, as in CI, a skipped test fails.
const SKIP_NOTHING: &str = "CAMPANILE_SKIP_NOTHING";

/// Reports a skipped test.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os(SKIP_NOTHING).is_none(),
        "{SKIP_NOTHING} is set, but {why}"
    );
    println!("skipped: {why}");
}
