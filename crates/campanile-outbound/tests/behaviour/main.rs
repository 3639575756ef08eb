//! Tests of campanile-outbound that share a process. Those of the log have one of their own, since the maximum level of
//! `tracing` is global.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod call_end;
#[cfg(feature = "connect")]
mod connect;
mod grpc;
mod metrics;
mod propagate;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "shared")]
mod shared;
#[cfg_attr(
    not(all(feature = "connect", feature = "shared")),
    allow(dead_code, reason = "used by the tests of optional features")
)]
mod support;
