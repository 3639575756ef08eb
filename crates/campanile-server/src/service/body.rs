//! The response body, which ends early when its request is cut.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_core::exchange::ObservedBody;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BoxError;
use super::observer::ServedRequest;
use crate::connection::ShutdownStage;

pin_project! {
    pub(crate) struct ServedBody<B> {
        #[pin]
        inner: ObservedBody<B, ServedRequest>,
    }
}

/// The error that ends a body: hyper closes the connection without a last chunk, or resets the stream, so that the client
/// does not take the body as complete.
#[derive(Debug)]
struct BodyCut;

impl<B> ServedBody<B> {
    #[inline]
    pub(super) fn new(inner: ObservedBody<B, ServedRequest>) -> Self {
        Self { inner }
    }
}

impl<B> Body for ServedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let inner = self.project().inner;
        if inner
            .observer()
            .is_some_and(|request| request.stage() == ShutdownStage::Aborting)
        {
            return Poll::Ready(Some(Err(BodyCut.into())));
        }
        inner.poll_frame(cx).map_err(Into::into)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Display for BodyCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("response body cut at the stop timeout")
    }
}

impl std::error::Error for BodyCut {}

impl<B> fmt::Debug for ServedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedBody").finish_non_exhaustive()
    }
}
