//! What the integration tests and the torture share: a recorder that can be asked, an application that ends its
//! exchanges in every way, servers and clients over real sockets, and the table of those ways.

#![allow(clippy::unwrap_used, reason = "a test's support may fail wherever it likes")]

pub mod app;
pub mod client;
pub mod exchange;
pub mod server;
pub mod tally;
pub mod torture;
pub mod wait;
