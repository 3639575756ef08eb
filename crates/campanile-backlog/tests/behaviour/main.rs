//! What the monitor sees of real queues, from outside.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod closing;
mod labels;
mod log;
mod overflows;
mod processes;
mod queues;
mod refusals;
mod run;
mod saturation;
#[path = "../support/mod.rs"]
mod support;
mod wait;
mod yaml;
