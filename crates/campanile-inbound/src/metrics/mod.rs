//! Counts, times and sizes of what comes in, with one true outcome for each exchange.
//!
//! ```
//! use campanile_inbound::MetricsLayer;
//! use tower::{ServiceBuilder, service_fn};
//!
//! let service = ServiceBuilder::new().layer(MetricsLayer::new()).service(service_fn(
//!     |_request: http::Request<String>| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) },
//! ));
//! ```
//!
//! | metric | recorded |
//! |---|---|
//! | `http_server_active_requests` | from `call` to the end of the answer's body |
//! | `http_server_request_duration_seconds` | at the answer's head, if there is one |
//! | `http_server_requests_total` | at the end, with the [`Outcome`](campanile_core::Outcome) |
//! | `http_server_response_duration_seconds` | at the end |
//! | `http_server_request_body_size_bytes` | at the end, where the body's size is told in advance |
//! | `http_server_response_body_size_bytes` | at the end, counted from frames |
//! | `rpc_server_requests_total` | at the end of a gRPC call, with its status |
//!
//! **The route** is a [`Route`](crate::Route) in the request's or the answer's extensions, else axum's `MatchedPath`
//! (feature `axum`), else the service and method of a gRPC call that has been answered before, else `other`. EnteredLayer
//! an axum router the matched path is not to be seen; a second `MetricsLayer` inside, by `Router::layer`, counts
//! nothing but tells the outer one its route. With
//! [`with_view_name_as_route`](MetricsLayer::with_view_name_as_route) it is the answer's `X-View-Name` and nothing else.
//!
//! **Cancellation.** An exchange counts from `call` on. The future dropped before the head is `cancelled`, the body
//! dropped before its end `aborted`; a panic of either `panicked`.
//!
//! **What it does not do.** It does not look at paths, hosts or user agents; it does not change requests or answers;
//! it reads no clock but twice or three times per request. Work that a handler does in its own process through
//! another router with the same layer is part of the exchange around it, not an exchange of its own.

mod ending;
mod exchange;
mod future;
mod inner_route;
mod inside;
mod layer;
mod notes;
mod rare;
mod settings;

pub use self::{
    ending::Ending,
    future::{ResponseBody, ResponseFuture},
    layer::{Metrics, MetricsLayer},
};
