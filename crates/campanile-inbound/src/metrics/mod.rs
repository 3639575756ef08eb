//! Counts, times and sizes of incoming requests, with one outcome for each exchange.
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
//! | `http_server_active_requests` | from `call` to the end of the response body |
//! | `http_server_request_duration_seconds` | at the response head, if there is one |
//! | `http_server_requests_total` | at the end, with the [`Outcome`](campanile_core::Outcome) |
//! | `http_server_response_duration_seconds` | at the end |
//! | `http_server_request_body_size_bytes` | at the end, if the request announced its size |
//! | `http_server_response_body_size_bytes` | at the end, counted from frames |
//! | `rpc_server_requests_total` | at the end of a gRPC call, with its status |
//!
//! **The route** is a [`Route`](crate::Route) in the extensions of the request or the response, or axum's `MatchedPath`
//! (feature `axum`), or service and method of a gRPC call that has succeeded or sent a message before; otherwise `other`. Around an axum
//! router the matched path is not visible: a second `MetricsLayer` inside, by `Router::layer`, counts nothing and hands its
//! route to the outer one. With [`with_view_name_as_route`](MetricsLayer::with_view_name_as_route) the route is the
//! response's `X-View-Name` and nothing else.
//!
//! **Cancellation.** An exchange counts from `call` on. A future dropped before the response head is `cancelled`, a body
//! dropped before its end `aborted`, a panic of either `panicked`.
//!
//! **Uploads.** If the client leaves before its request body is complete, the outcome is `cancelled` and the status empty,
//! whatever the handler responds. The layer learns of it from axum's and tonic's request bodies (features `axum` and `tonic`),
//! in which it places a watch; the type stays the same. Requests without a body are not touched. Below campanile-server it
//! learns of it for hyper's `Incoming` too, but for a stream of HTTP/2 that is reset after its response head: that is `aborted`.
//! Around other servers such bodies are not watched. A client that leaves while the handler does not read is not noticed.
//!
//! **gRPC.** A call without `grpc-status` has the one that its caller sees: that of the HTTP status, `CANCELLED` for
//! `cancelled` and `aborted`, `DEADLINE_EXCEEDED` for `timed_out`, `INTERNAL` for `failed`, else `UNKNOWN`.
//!
//! **What it does not do.** It does not look at paths, hosts or user agents, and does not change requests or responses.
//! Requests that a handler makes in its own process through another router with the same layer belong to the enclosing
//! exchange and are not counted.

mod cold;
mod flags;
mod layer;
mod observer;
mod route_handoff;
mod settings;

use campanile_core::exchange::{self, ExchangeService, ObservedBody};

pub use self::{layer::MetricsLayer, observer::MetricsObserver};

/// The service of [`MetricsLayer`].
pub type MetricsService<S> = ExchangeService<S, MetricsLayer>;

/// The future of [`MetricsService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, MetricsObserver>;

/// The response body of [`MetricsService`].
pub type ResponseBody<B> = ObservedBody<B, MetricsObserver>;
