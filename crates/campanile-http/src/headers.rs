//! The names of the headers that campanile reads and writes.

use http::HeaderName;

/// `X-Request-Id`: which request of the first service this one belongs to.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `X-Request-Deadline`: until when the answer is wanted, RFC 3339 in UTC.
pub const X_REQUEST_DEADLINE: HeaderName = HeaderName::from_static("x-request-deadline");

/// `X-View-Name`: how the answering service calls the endpoint that answered.
pub const X_VIEW_NAME: HeaderName = HeaderName::from_static("x-view-name");

/// `traceparent`: the [W3C trace context](https://www.w3.org/TR/trace-context/).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `grpc-timeout`: how long a gRPC call may take.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// `grpc-status`: how a gRPC call ended, in the trailers or in the head.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
