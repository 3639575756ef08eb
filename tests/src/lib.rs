//! What the integration tests, the torture and the benches share: a recorder that can be asked, an application that
//! ends its exchanges in every way, servers and clients over real sockets, the table of those ways, measured cases, a
//! program of ours at work, programs of others that judge.

#![allow(clippy::unwrap_used, reason = "a test's support may fail wherever it likes")]

pub mod app;
pub mod cases;
pub mod client;
pub mod exchange;
pub mod judges;
pub mod process;
pub mod server;
pub mod tally;
pub mod torture;
pub mod wait;
pub mod wire;
