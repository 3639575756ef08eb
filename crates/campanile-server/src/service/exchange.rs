//! One request, from its call to the end of the response.

use std::sync::Arc;

use campanile_core::body::{BodyEnd, EndReason, MethodClass, OnBodyEnd};
use campanile_core::grpc::{self, Code};
use campanile_core::headers::GRPC_STATUS;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body;
use hyper::Request;

use crate::connection::{ConnectionState, ShutdownStage};

/// A request in flight: held by the future up to the response head, then by the body.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: Arc<ConnectionState>,
    method: MethodClass,
    http1: bool,
    http10: bool,
    grpc: bool,
    /// Whether the request body may still be arriving when the response is sent.
    has_body: bool,
}

impl Exchange {
    #[inline]
    pub(super) fn begin<B: Body>(
        state: Arc<ConnectionState>,
        method: MethodClass,
        http1: bool,
        request: &Request<B>,
    ) -> Self {
        state.activity.request_began();
        Self {
            state,
            method,
            http1,
            http10: request.version() <= Version::HTTP_10,
            has_body: http1 && !request.body().is_end_stream(),
            grpc: !http1 && *request.method() == Method::POST && grpc::is_grpc(request.headers()),
        }
    }

    pub(super) fn method(&self) -> MethodClass {
        self.method
    }

    #[inline]
    pub(super) fn stage(&self) -> ShutdownStage {
        self.state.stage()
    }

    /// Records an upgrade, or asks the client to close the connection if it should.
    #[inline]
    pub(super) fn on_response<B>(&self, response: &mut Response<B>) {
        if !self.http1 {
            return;
        }
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS
            || self.method == MethodClass::Connect && status.is_success()
        {
            self.state.set_upgraded();
        } else if self.state.is_closing() {
            self.announce_close(response);
        }
        if self.http10 && response.headers().contains_key(CONNECTION) {
            // hyper would add `keep-alive` to an HTTP/1.1 response.
            *response.version_mut() = Version::HTTP_10;
        }
        // If the handler does not read the body, hyper closes the connection after this response.
        self.state.set_lingers(self.has_body);
    }

    /// Returns the response to a request that is cut before its response head, and counts it.
    #[cold]
    pub(super) fn reject<B>(&self, body: B) -> Response<B> {
        self.state.context().handle.count_cut_requests(1);
        let mut response = Response::new(body);
        if self.grpc {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, Code::Unavailable.to_header());
        } else {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        if self.http1 {
            self.announce_close(&mut response);
        }
        response
    }

    #[cold]
    fn announce_close<B>(&self, response: &mut Response<B>) {
        self.state.set_close_announced();
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

impl OnBodyEnd for Exchange {
    #[inline]
    fn on_body_end(self, end: BodyEnd<'_>) {
        if end.how == EndReason::Complete {
            self.state.context().handle.count_served_request();
        }
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        self.state.activity.request_ended();
    }
}
