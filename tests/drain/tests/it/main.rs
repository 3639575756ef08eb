//! The clients against scripted servers, and shutdowns of processes that share a listener.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod request_outcomes;
#[cfg(target_os = "linux")]
mod shared_listener;
