//! One request from the call to the end of its answer.

use std::sync::Arc;

use campanile_core::body::{BodyEnd, EndReason, MethodClass, OnBodyEnd};
use campanile_core::grpc::{self, Code};
use campanile_core::headers::GRPC_STATUS;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body;
use hyper::Request;

use crate::connection::{ConnectionState, ShutdownStage};

/// Is in flight while it lives: in the future up to the head, then in the body.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: Arc<ConnectionState>,
    asked: MethodClass,
    http1: bool,
    http10: bool,
    grpc: bool,
    /// The request's body may still be coming when the answer is sent.
    has_body: bool,
}

impl Exchange {
    #[inline]
    pub(super) fn begin<B: Body>(
        state: Arc<ConnectionState>,
        asked: MethodClass,
        http1: bool,
        request: &Request<B>,
    ) -> Self {
        state.activity.request_began();
        Self {
            state,
            asked,
            http1,
            http10: request.version() <= Version::HTTP_10,
            has_body: http1 && !request.body().is_end_stream(),
            grpc: !http1 && *request.method() == Method::POST && grpc::is_grpc(request.headers()),
        }
    }

    pub(super) fn asked(&self) -> MethodClass {
        self.asked
    }

    #[inline]
    pub(super) fn stage(&self) -> ShutdownStage {
        self.state.stage()
    }

    /// Notes what the answer says of its connection, and says what has to be said.
    #[inline]
    pub(super) fn answered<B>(&self, answer: &mut Response<B>) {
        if !self.http1 {
            return;
        }
        let status = answer.status();
        if status == StatusCode::SWITCHING_PROTOCOLS
            || self.asked == MethodClass::Connect && status.is_success()
        {
            self.state.set_upgraded();
        } else if self.state.is_closing() {
            self.tell_to_leave(answer);
        }
        if self.http10 && answer.headers().contains_key(CONNECTION) {
            // hyper adds `keep-alive` to what it takes for an answer of HTTP/1.1.
            *answer.version_mut() = Version::HTTP_10;
        }
        // If nobody reads it hyper ends the connection with this answer, whatever that says.
        self.state.set_lingers(self.has_body);
    }

    /// Makes the answer to a request that is cut before its head, and counts it.
    #[cold]
    pub(super) fn refuse<B>(&self, body: B) -> Response<B> {
        self.state.context().handle.count_cut_requests(1);
        let mut answer = Response::new(body);
        if self.grpc {
            let headers = answer.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, Code::Unavailable.to_header());
        } else {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        if self.http1 {
            self.tell_to_leave(&mut answer);
        }
        answer
    }

    #[cold]
    fn tell_to_leave<B>(&self, answer: &mut Response<B>) {
        self.state.set_close_announced();
        answer
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
