//! Tests of campanile-core that share a process. The table of requests in flight has one of its own.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod context;
mod deadline;
mod exchange;
mod exchange_body_interrupts;
mod exchange_pairs;
mod exchange_panics;
mod grpc;
mod in_request;
mod layer_id;
mod outcome;
mod request_id;
mod series;
