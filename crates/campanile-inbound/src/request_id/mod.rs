//! Gives each request its id, and everything below a way to find it.
//!
//! ```
//! use campanile_core::RequestContext;
//! use campanile_inbound::RequestIdLayer;
//! use tower::{ServiceBuilder, service_fn};
//!
//! let service = ServiceBuilder::new().layer(RequestIdLayer::new()).service(service_fn(
//!     |_request: http::Request<String>| async {
//!         let id = RequestContext::current().map(|context| context.id().to_string());
//!         Ok::<_, std::convert::Infallible>(http::Response::new(id.unwrap_or_default()))
//!     },
//! ));
//! ```
//!
//! The id is taken from `X-Request-Id`, the first of several, if it is a [`RequestId`](campanile_core::RequestId);
//! else a new UUID is made, and an id that could not be taken is counted in
//! `http_server_request_ids_rejected_total`. It is never an error to the client. The answer carries exactly that id,
//! in one header, whatever the application set.
//!
//! The [`RequestContext`](campanile_core::RequestContext) is in the request's extensions, and current whenever the
//! inner service's future and the answer's body are polled or dropped. So is the span `request` (target
//! `campanile::request`, level info) with the field `request_id`. `traceparent` is kept in the context.
//!
//! The request gets a seat in the [table of requests in flight](campanile_core::in_flight) until its answer's body
//! ends.
//!
//! Inside another layer of its kind it does nothing: the id is there.

mod future;
mod layer;

pub use self::{
    future::{ResponseBody, ResponseFuture},
    layer::{RequestIdLayer, RequestIds},
};
