//! How the server serves and stops, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod cut;
mod drain;
mod early;
mod http2;
mod limits;
mod load;
mod serving;
mod slow;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod told;
#[cfg(feature = "tonic")]
mod tonic;
mod upgrades;
