//! Tests of the public API over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

#[cfg(feature = "axum")]
mod axum;
#[cfg(unix)]
mod bind;
mod close_reason;
#[cfg(unix)]
mod closing;
#[cfg(all(unix, feature = "axum", feature = "tonic"))]
mod drain;
mod incoming;
mod io;
#[cfg(target_os = "linux")]
mod kernel;
mod limit;
mod open_connections;
mod server;
#[cfg(target_os = "linux")]
mod silent_clients;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tonic")]
mod tonic;
mod upgrade;
