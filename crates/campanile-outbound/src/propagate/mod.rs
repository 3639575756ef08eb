//! Sends along what is known of the request being served: its id, its deadline, its trace.
//!
//! ```
//! use campanile_outbound::{CallDeadline, PropagateLayer};
//! use std::time::Duration;
//!
//! let layer = PropagateLayer::new().with_excluded_host("partner.example");
//! let request = http::Request::get("http://stock/items/7")
//!     .extension(CallDeadline::after(Duration::from_secs(2)))
//!     .body(())?;
//! # Ok::<(), http::Error>(())
//! ```
//!
//! | header | value |
//! |---|---|
//! | `X-Request-Id` | `<16 hex digits>-<id of the request being served>`; a new UUID outside any request |
//! | `X-Request-Deadline` | the nearest of the request's deadline, the call's [`CallDeadline`] and the header itself |
//! | `grpc-timeout` | the same on a gRPC call, as the time left |
//! | `traceparent` | the one the request came with |
//!
//! An id or a trace that the caller set is left alone.
//!
//! # A deadline that passes
//!
//! A call whose deadline has passed is not sent; one whose deadline passes while it waits for the head is ended. The
//! caller gets an answer that nobody sent: 504, on gRPC calls a status of `DEADLINE_EXCEEDED`, which a tonic client
//! reports as such. It carries a [`DeadlineExceeded`] in its extensions, which tells it from another's 504. An answer
//! and not an error, because errors pass this layer untouched, and neither hyper-util's nor tonic's nor reqwest's can
//! be made by anybody else. An error that comes after the deadline counts as the deadline.
//!
//! The body of an answer is not bounded. A call with a deadline needs tokio's timer; one without does not.
//!
//! # What it does not do
//!
//! It retries nothing and parses no `traceparent`; nothing is sent to tell the peer of a deadline that it was told
//! already. Dropping the future drops the call.

mod answer;
mod deadline;
mod future;
mod layer;

pub use self::{
    answer::ResponseBody,
    deadline::{CallDeadline, DeadlineExceeded},
    future::ResponseFuture,
    layer::{Propagate, PropagateLayer},
};
