//! The life of an exchange, written once: from the call, through the future, to the end of the response body.
//!
//! An exchange begins in `call`, has a response head at most once, and ends exactly once: when the last byte of the
//! response body is handed over, or when the future or the body fails, panics or is dropped. An [`Observer`] is notified
//! of each step; [`Observe`] makes an observer for each request. Campanile's own layers are observers, and a program can
//! add its own. An access log:
//!
//! ```
//! use std::time::Instant;
//!
//! use campanile_core::exchange::{Begin, End, ExchangeLayer, Observe, Observer};
//! use http::{Method, Request, Response, StatusCode};
//!
//! #[derive(Clone)]
//! struct AccessLog;
//!
//! struct Line {
//!     method: Method,
//!     path: String,
//!     started: Instant,
//!     status: Option<StatusCode>,
//! }
//!
//! impl<B> Observe<B> for AccessLog {
//!     type Observer = Line;
//!
//!     fn begin(&self, request: &mut Request<B>) -> Begin<Line> {
//!         Begin::Observe(Line {
//!             method: request.method().clone(),
//!             path: request.uri().path().to_owned(),
//!             started: Instant::now(),
//!             status: None,
//!         })
//!     }
//! }
//!
//! impl Observer for Line {
//!     fn on_response<B: http_body::Body>(&mut self, response: &mut Response<B>) {
//!         self.status = Some(response.status());
//!     }
//!
//!     fn on_end(&mut self, end: End<'_>) {
//!         let Self { method, path, started, status } = self;
//!         println!("{method} {path} {status:?} {:?} {} bytes {:?}", end.reason, end.bytes, started.elapsed());
//!     }
//! }
//!
//! # use tower::{ServiceBuilder, service_fn};
//! let service = ServiceBuilder::new().layer(ExchangeLayer::new(AccessLog)).service(service_fn(
//!     |_request: Request<String>| async { Ok::<_, std::convert::Infallible>(Response::new(String::from("hello"))) },
//! ));
//! ```
//!
//! # What ends a response body
//!
//! | case | end |
//! |---|---|
//! | response to `HEAD`, 1xx, 204, 304, 2xx to `CONNECT` | at the head: servers drop the body unpolled |
//! | `is_end_stream()` at the head | at the head: the body may never be polled |
//! | `is_end_stream()` after a data frame | with that frame: hyper polls no further |
//! | trailers, or `None` | then |
//! | as many bytes as the exact size hint, or else `Content-Length`, announces | when dropped after them, complete; trailers may still follow |
//! | [`Observer::interrupt_body`] returns trailers | with them; the inner body is dropped |
//! | an error | [`EndReason::Failed`] |
//! | a panic | [`EndReason::Panicked`], at once |
//! | dropped earlier | [`EndReason::Dropped`] |
//!
//! # Several observers
//!
//! [`Pair`] composes two into one exchange, so that the future and the body are wrapped once. The first encloses the
//! second.
//!
//! # Cancellation
//!
//! Dropping the future or the body ends the exchange. Observers are entered while the inner future or body is dropped,
//! unless the exchange has ended before: that of a response to `HEAD` ends at the head, and its body is dropped after that.
//!
//! # Panics
//!
//! A panic of an observer ends its exchange as [`EndReason::Panicked`] and goes on. An observer that panics in `enter`
//! counts as not entered, one that panics in `leave` as left; each observer of a [`Pair`] is left and ends whatever the
//! other does.

mod body;
mod body_length;
mod client_left;
mod end;
mod error_hook;
mod future;
mod observe;
mod observer;
mod pair;
mod poll_guard;
mod service;

pub use self::{
    body::ObservedBody,
    body_length::MethodClass,
    end::{End, EndReason},
    error_hook::ErrorHook,
    future::ResponseFuture,
    observe::{Begin, Observe},
    observer::{Interrupt, Observer},
    pair::Pair,
    service::{ExchangeLayer, ExchangeService},
};
#[doc(hidden)]
pub use self::{
    client_left::ClientLeft,
    observe::begin_layer,
    poll_guard::{PollGuard, run_both},
};
