//! Answers that a layer makes by itself.

use campanile_core::{
    Outcome,
    grpc::{self, Code},
    headers::GRPC_STATUS,
};
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};

/// Why a layer answers in the application's stead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// With the request's body still to come, or not.
    Shed {
        body_unread: bool,
    },
    DeadlinePassed,
    Panicked,
}

/// What has to be kept of a request to answer it in its own protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    grpc: bool,
    http1: bool,
}

impl Asker {
    /// Remembers how the request wants to be answered.
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self {
            // gRPC posts, so most requests are told by their method alone.
            grpc: request.method() == http::Method::POST && grpc::is_grpc(request.headers()),
            http1: request.version() <= Version::HTTP_11,
        }
    }

    /// Makes the answer: a status for HTTP, trailers only for gRPC; empty, with the outcome in its extensions.
    pub(crate) fn refuse<B: Default>(self, refusal: Refusal) -> Response<B> {
        let mut answer = Response::new(B::default());
        let (status, code, outcome) = match refusal {
            Refusal::Shed { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                Code::ResourceExhausted,
                Outcome::Shed,
            ),
            Refusal::DeadlinePassed => (
                StatusCode::GATEWAY_TIMEOUT,
                Code::DeadlineExceeded,
                Outcome::TimedOut,
            ),
            Refusal::Panicked => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Code::Internal,
                Outcome::Panicked,
            ),
        };
        answer.extensions_mut().insert(outcome);
        if self.grpc {
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            answer.headers_mut().insert(GRPC_STATUS, code.to_header());
        } else {
            *answer.status_mut() = status;
        }
        if let Refusal::Shed { body_unread } = refusal {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            if self.http1 && body_unread {
                // What is left of the body would be read as the next request.
                answer
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        answer
    }
}
