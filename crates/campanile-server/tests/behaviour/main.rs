//! The server over real sockets.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod connection_metrics;
mod drain;
mod drain_under_load;
mod early_responses;
mod eviction;
mod frames;
mod hostile_clients;
mod http2;
mod left_uploads;
mod rejections;
mod serving;
mod slow_clients;
mod stalled_streams;
mod stop_timeout;
mod support;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tonic")]
mod tonic;
mod upgrades;
mod uploads;
