//! Answers in time, or says that it cannot.
//!
//! ```
//! use std::time::Duration;
//!
//! use campanile_inbound::DeadlineLayer;
//!
//! let layer = DeadlineLayer::new()
//!     .with_timeout(Duration::from_secs(10))
//!     .with_soft_limit(Duration::from_secs(2));
//! ```
//!
//! The deadline of a request is the nearer of the one it came with (`X-Request-Deadline`, or `grpc-timeout` for
//! gRPC) and the layer's own timeout. When it passes before there is a response head the inner service is dropped and
//! the answer is 504, over gRPC `DEADLINE_EXCEEDED`; when it has passed on arrival the inner service is not called.
//! Without either there is no deadline, and no timer.
//!
//! The deadline is noted in the [`RequestContext`](campanile_core::RequestContext), so that outgoing calls carry it
//! on. A header that cannot be read is ignored and counted in `http_server_deadlines_rejected_total`.
//!
//! The soft limit changes no answer: a head that took longer is counted in `http_server_soft_timeouts_total` and
//! logged with its id, at level warn.
//!
//! **What it does not do.** It does not cut a body that is being sent.

mod future;
mod layer;

pub use self::{
    future::ResponseFuture,
    layer::{DeadlineLayer, Deadlines},
};
