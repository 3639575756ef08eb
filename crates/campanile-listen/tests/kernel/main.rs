//! What the kernel says of a close: with a network, descriptors and limits of each test's own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod alone;
mod backlog;
mod exhausted;
mod handshake;
mod resets;
#[path = "../support/mod.rs"]
mod support;
mod wire;
