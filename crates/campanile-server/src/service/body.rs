//! The response body, which fails when it is cut.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_core::exchange::ObservedBody;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BoxError;
use super::observer::ServedRequest;
use crate::connection::Cut;

pin_project! {
    pub(crate) struct ServedBody<B> {
        #[pin]
        inner: ObservedBody<B, ServedRequest>,
    }
}

/// Ends a response body that is cut: hyper then closes without the last chunk, or resets the stream, and the client sees
/// that something is missing.
#[derive(Debug)]
struct CutOff;

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
            .is_some_and(|request| request.cut() == Cut::Bodies)
        {
            return Poll::Ready(Some(Err(CutOff.into())));
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

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response was cut at the end of the stop timeout")
    }
}

impl std::error::Error for CutOff {}

impl<B> fmt::Debug for ServedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedBody").finish_non_exhaustive()
    }
}
