//! Counts what goes out, with one terminal event per call.
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
//! A call ends when its answer's body does, when it fails, or when it is dropped. Then all that is counted of it is
//! counted, in the order of the table.
//!
//! | metric | labels | of which calls |
//! |---|---|---|
//! | `http_client_requests_total` | `server_address`, `url_template` | each |
//! | `http_client_request_duration_seconds` | `http_request_method`, `server_address`, `url_template`, `http_response_status_code` | with a head; the time to it |
//! | `http_client_errors_total` | `server_address`, `url_template`, `error_type`, `error_code` | that failed |
//! | `http_client_timeouts_total` | `server_address`, `url_template`, `phase` | that a time limit ended |
//! | `rpc_client_requests_total` | `rpc_method`, `rpc_response_status_code` | of gRPC |
//! | `http_client_active_requests` | `server_address` | that have begun and not ended |
//!
//! The host is the URL's, in lower case, without port; a [`CallName`](crate::CallName) or
//! [`with_host_name`](MetricsLayer::with_host_name) renames it. The view is the call's name, else the `X-View-Name` of
//! the answer, else `unknown`.
//!
//! | `error_type` | `error_code` | when |
//! |---|---|---|
//! | `http` | the status | 500 to 599 |
//! | `timeout` | `ETIMEDOUT` | a time limit of whatever layer or client |
//! | `connection` | name of the error number, `EAI_…`, else `unknown` | anything else before the head |
//! | `tls` | `unknown` | rustls or openssl said no |
//! | `protocol` | reason of HTTP/2, else `unknown` | the peer broke it |
//! | `body` | as `connection` | a body yielded an error, the answer's or the request's |
//! | `cancelled` | `unknown` | dropped before the head |
//!
//! # gRPC
//!
//! The status is that of the trailers, or of a head without a body. None at the end is `UNKNOWN`, and `CANCELLED` if
//! the call was dropped. A method gets a name of its own in the label once a call of it ended otherwise than
//! `UNIMPLEMENTED`.
//!
//! # Nested
//!
//! Two of these layers around one call count it once, by the outer one. A call is known by the authority and the path
//! of its URL: another call made while this one is polled, such as an authorization layer's for a token, counts by
//! itself. What rewrites the URL between the two layers makes it another call. With a retry between them the outer
//! layer counts one call; to count attempts, have the layer inside only.
//!
//! # Errors that are no [`Error`](std::error::Error)
//!
//! To find the number of an error this layer walks its sources. `BoxError` is no `Error` itself; with it, say where to
//! begin: [`with_error_source`](MetricsLayer::with_error_source) for the service's,
//! [`with_body_error_source`](MetricsLayer::with_body_error_source) for the body's.

mod body;
mod call;
mod counted;
mod durations;
mod ending;
mod future;
mod layer;
mod log;
#[cfg(feature = "connect")]
mod names_of;
mod options;
mod rare;
mod register;
mod rpc;
mod source;
mod table;
mod view;

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    layer::{Metrics, MetricsLayer},
    source::{ErrorItself, ErrorSource, ErrorSourceFn},
};
#[cfg(feature = "connect")]
pub(crate) use self::{
    names_of::Names,
    register::{register_counter, register_gauge, register_histogram},
    table::{HostBlock, Table},
};
