//! The integration tests, over real sockets.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod backlog;
#[cfg(target_os = "linux")]
mod browser;
mod conformance;
mod error_sources;
mod exchange_matrix;
mod exposition;
mod fan_out;
mod grpc_calls;
mod layers;
mod live_page;
mod metrics_json;
mod prometheus;
mod request_ids;
