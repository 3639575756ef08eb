//! Support for the integration tests, the torture test and the benches: a recorder that can be queried, an application
//! whose exchanges end in every possible way, servers and clients over real sockets, the matrix of exchanges, bench cases,
//! child processes, and external checkers of metrics text.

#![allow(clippy::unwrap_used, reason = "test support fails by panicking")]

pub mod app;
pub mod bench_cases;
pub mod client;
pub mod exchange_matrix;
pub mod external_checkers;
pub mod metrics_list;
pub mod process;
pub mod recorder;
pub mod server;
pub mod torture;
pub mod wait;
