//! Sends the id, the deadline and the trace of the request being served along with its calls.
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
//! | `grpc-timeout` | the same on a gRPC call, as the remaining time |
//! | `traceparent` | the one that the request carried |
//!
//! An id or a trace that the caller set stays unchanged.
//!
//! # A deadline that passes
//!
//! A call whose deadline has passed is not sent; a call whose deadline passes before the response head is dropped. The
//! layer responds itself: 504, on gRPC calls the status `DEADLINE_EXCEEDED`, which a tonic client reports as such. The
//! response has a [`DeadlineExceeded`] in its extensions, which distinguishes it from a 504 of the peer. It is a response
//! and not an error, because errors pass this layer unchanged, and the error types of hyper-util, tonic and reqwest have no
//! public constructors. An error after the deadline counts as the deadline.
//!
//! The deadline of a gRPC call bounds the whole call: a response body that goes on past it is dropped, and ends with trailers
//! of `DEADLINE_EXCEEDED`. Of other calls it does not bound the response body. hyper's client stops sending the request body
//! of a bidirectional call only once that body ends. A call with a deadline needs tokio's timer.
//!
//! # What it does not do
//!
//! It does not retry, and does not parse `traceparent`. Dropping the future drops the call.

mod deadline;
mod layer;
mod observer;

use campanile_core::exchange::{self, ExchangeService, ObservedBody};

pub use self::{
    deadline::{CallDeadline, DeadlineExceeded},
    layer::PropagateLayer,
    observer::PropagateObserver,
};

/// The service of [`PropagateLayer`].
pub type PropagateService<S> = ExchangeService<S, PropagateLayer>;

/// The future of [`PropagateService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, PropagateObserver>;

/// The response body of [`PropagateService`].
pub type ResponseBody<B> = ObservedBody<B, PropagateObserver>;
