//! Tests of the public API with real accept queues.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod closing;
mod kubernetes;
mod labels;
mod log;
mod overflows;
mod processes;
mod queues;
mod run;
mod saturation;
#[path = "../support/mod.rs"]
mod support;
mod wait;
mod watch_errors;
