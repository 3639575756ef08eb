//! The integration tests: real sockets, and every way in which an exchange ends.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod backlog;
#[cfg(target_os = "linux")]
mod browser;
mod conformance;
mod exchange;
mod exposition;
mod fan_out;
mod layers;
mod live_page;
mod prometheus;
mod request_ids;
mod torture;
