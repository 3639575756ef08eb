//! A recorder that can be asked, log lines that can be read, network namespaces, queues that are filled, and `ss`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::print_stdout, reason = "a test that skips itself says so")]

pub mod log;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod queue;
pub mod seen;

/// The environment variable under which to skip is to fail, as it is in CI.
const SKIP_NOTHING: &str = "CAMPANILE_SKIP_NOTHING";

/// Says that a test skips itself.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os(SKIP_NOTHING).is_none(),
        "{SKIP_NOTHING} is set, but {why}"
    );
    println!("skipped: {why}");
}
