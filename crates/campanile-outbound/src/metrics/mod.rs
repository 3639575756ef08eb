//! Counts and times outgoing calls, with one end for each.
//!
//! ```
//! use campanile_outbound::MetricsLayer;
//! use tower::ServiceBuilder;
//!
//! let client = tower::service_fn(|_: http::Request<String>| async {
//!     Ok::<_, std::io::Error>(http::Response::new(String::from("ok")))
//! });
//! let client = ServiceBuilder::new()
//!     .layer(MetricsLayer::new().with_host_name("10.0.0.7:8080", "stock"))
//!     .service(client);
//! ```
//!
//! A call ends when its response body does, when it fails, or when it is dropped. All metrics of a call are recorded at
//! its end, in the order of the table.
//!
//! | metric | labels | recorded for |
//! |---|---|---|
//! | `http_client_requests_total` | `server_address`, `url_template` | each call |
//! | `http_client_request_duration_seconds` | `http_request_method`, `server_address`, `url_template`, `http_response_status_code` | calls with a response head |
//! | `http_client_errors_total` | `server_address`, `url_template`, `error_type`, `error_code` | failed calls |
//! | `http_client_timeouts_total` | `server_address`, `url_template`, `phase` | calls that a time limit ended |
//! | `rpc_client_requests_total` | `rpc_method`, `rpc_response_status_code` | gRPC calls |
//! | `http_client_active_requests` | `server_address` | calls in flight |
//!
//! The host is the URL's, in lower case, without port; a [`CallName`](crate::CallName) or
//! [`with_host_name`](MetricsLayer::with_host_name) renames it. The view is the call's name, or the `X-View-Name` of the
//! response, or `unknown`.
//!
//! | `error_type` | `error_code` | when |
//! |---|---|---|
//! | `http` | the status | 500 to 599 |
//! | `timeout` | `ETIMEDOUT` | a time limit of any layer or client |
//! | `connection` | name of the error number, `EAI_…`, or `unknown` | any other error before the response head |
//! | `tls` | `unknown` | rustls or openssl rejected the peer |
//! | `protocol` | reason of HTTP/2, or `unknown` | the peer violated the protocol |
//! | `body` | as `connection` | the request or response body returned an error |
//! | `cancelled` | `unknown` | dropped before the response head |
//!
//! # gRPC
//!
//! The status is in the trailers, or in the head of a response without a body. Otherwise it is that of gRPC's own tables:
//!
//! | call | status |
//! |---|---|
//! | dropped | `CANCELLED` |
//! | ended by a time limit | `DEADLINE_EXCEEDED` |
//! | no connection, or it broke, went away or did not acknowledge a ping | `UNAVAILABLE` |
//! | the stream was reset | by the [HTTP/2 error code](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors) |
//! | an HTTP status other than 200 | by the [HTTP status](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) |
//! | rejected by `tower::load_shed` | `RESOURCE_EXHAUSTED` |
//! | anything else | `UNKNOWN` |
//!
//! A tonic client reports the same codes, with exceptions: it reports `UNKNOWN` or `CANCELLED` where a connection breaks,
//! `CANCELLED` for the timeout of its endpoint, `INTERNAL` for a page of HTML, whatever its status; and a message above its
//! size limit is `OUT_OF_RANGE` to the caller, and a dropped body to the layer. A method becomes a label value once a call of it ended with a status other than
//! `UNIMPLEMENTED`, if its path is `/package.Service/Method` of at most 128 bytes.
//!
//! # Nested
//!
//! Two of these layers around one call count it once, by the outer one. A call is identified by the authority and the path
//! of its URL: another call made while this one is polled, such as one for an authorization token, is counted too. A layer
//! that rewrites the URL between the two makes it another call. With retries between them the outer layer counts one call;
//! to count attempts, place the layer inside only.
//!
//! # Errors that do not implement [`Error`](std::error::Error)
//!
//! The layer classifies an error by its chain of sources. `BoxError` does not implement `Error`: set where the chain
//! begins by [`with_error_source`](MetricsLayer::with_error_source) for the service and
//! [`with_body_error_source`](MetricsLayer::with_body_error_source) for the body.

mod durations;
mod error_source;
#[cfg(feature = "connect")]
mod host_names;
mod label_mode;
mod layer;
mod log;
mod observer;
mod options;
mod rpc;
mod table;
mod view;

use campanile_core::exchange::{self, ExchangeService, ObservedBody};

pub use self::{
    error_source::{BodyErrors, ErrorItself, ErrorSource, ErrorSourceFn, ServiceErrors},
    layer::MetricsLayer,
    observer::CallObserver,
};
#[cfg(feature = "connect")]
pub(crate) use self::{
    host_names::HostNames,
    table::{HostSeries, OutboundSeries},
};

/// The service of [`MetricsLayer`].
pub type MetricsService<S, W = ErrorItself, V = ErrorItself> =
    ExchangeService<S, MetricsLayer<W, V>, ServiceErrors<W>, BodyErrors<V>>;

/// The future of [`MetricsService`].
pub type ResponseFuture<F, W = ErrorItself, V = ErrorItself> =
    exchange::ResponseFuture<F, CallObserver, ServiceErrors<W>, BodyErrors<V>>;

/// The response body of [`MetricsService`].
pub type ResponseBody<B, V = ErrorItself> = ObservedBody<B, CallObserver, BodyErrors<V>>;
