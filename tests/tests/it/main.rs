//! The integration tests: real sockets, and every way in which an exchange ends.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod cardinality;
mod exchange;
mod layers;
mod torture;
