//! Responses that a layer makes in place of the application.

use campanile_core::{
    Outcome,
    grpc::{self, Code},
    headers::GRPC_STATUS,
};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};

/// Makes responses in the protocol of a request: a status for HTTP, trailers only for gRPC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rejection {
    grpc: bool,
    http1: bool,
}

impl Rejection {
    /// Notes the protocol of a request.
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self {
            // gRPC posts, so the method alone decides for most requests.
            grpc: request.method() == Method::POST && grpc::is_grpc(request.headers()),
            http1: request.version() <= Version::HTTP_11,
        }
    }

    /// Returns whether the request is a gRPC call.
    #[inline]
    pub(crate) fn is_grpc(self) -> bool {
        self.grpc
    }

    /// Rejects a request because the service is full. `body_unread` is whether its body has not been read to the end.
    pub(crate) fn shed(self, body_unread: bool) -> Response<()> {
        let mut response = self.respond(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::ResourceExhausted,
            Outcome::Shed,
        );
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        if self.http1 && body_unread {
            // The rest of the body would be read as the next request.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Responds to a request whose deadline has passed.
    pub(crate) fn deadline_passed(self) -> Response<()> {
        let mut response = self.respond(
            StatusCode::GATEWAY_TIMEOUT,
            Code::DeadlineExceeded,
            Outcome::TimedOut,
        );
        if self.grpc {
            response.headers_mut().extend(grpc::deadline_trailers());
        }
        response
    }

    /// Responds to a request whose handler panicked.
    pub(crate) fn panicked(self) -> Response<()> {
        self.respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            Outcome::Panicked,
        )
    }

    fn respond(self, status: StatusCode, code: Code, outcome: Outcome) -> Response<()> {
        let mut response = Response::new(());
        response.extensions_mut().insert(outcome);
        if self.grpc {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, code.to_header());
        } else {
            *response.status_mut() = status;
        }
        response
    }
}
