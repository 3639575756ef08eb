//! The answer that nobody sent.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::{grpc, headers};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::DeadlineExceeded;

pin_project! {
    /// The body of an answer, or of the empty one that a passed deadline makes. See the [module docs](super).
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { inner: Some(inner) }
    }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { inner: None }
    }
}

/// Makes the answer of a deadline that has passed.
#[cold]
pub(super) fn deadline_exceeded<B>(is_grpc: bool) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::default());
    response.extensions_mut().insert(DeadlineExceeded);
    if is_grpc {
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.insert(headers::GRPC_STATUS, grpc::Code::DeadlineExceeded.to_header());
        fields.insert(
            "grpc-message",
            HeaderValue::from_static("the deadline of the call has passed"),
        );
    } else {
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    response
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
