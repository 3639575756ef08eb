//! What the counted connections do, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

#[cfg(feature = "axum")]
mod axum;
#[cfg(unix)]
mod bind;
mod close;
#[cfg(unix)]
mod closing;
#[cfg(all(unix, feature = "axum", feature = "tonic"))]
mod drain;
mod incoming;
mod io;
mod limit;
mod open;
mod server;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tonic")]
mod tonic;
mod upgrade;
