//! The body of an answer, which ends early when it is cut.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_core::body::TrackedBody;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BoxError;
use super::exchange::Exchange;
use crate::connection::ShutdownStage;

pin_project! {
    pub(crate) struct ServedBody<B> {
        // Nothing for answers of our own.
        #[pin]
        inner: Option<TrackedBody<B, Exchange>>,
    }
}

/// What ends a body that is cut: hyper then closes without the last chunk, or resets the stream, and the client sees
/// that something is missing.
#[derive(Debug)]
struct CutOff;

impl<B> ServedBody<B> {
    #[inline]
    pub(super) fn of(inner: TrackedBody<B, Exchange>) -> Self {
        Self { inner: Some(inner) }
    }

    pub(super) fn empty() -> Self {
        Self { inner: None }
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
        let Some(inner) = self.project().inner.as_pin_mut() else {
            return Poll::Ready(None);
        };
        if inner
            .watcher()
            .is_some_and(|exchange| exchange.stage() == ShutdownStage::Aborting)
        {
            return Poll::Ready(Some(Err(CutOff.into())));
        }
        inner.poll_frame(cx).map_err(Into::into)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer was cut by the end of the stop timeout")
    }
}

impl std::error::Error for CutOff {}

impl<B> fmt::Debug for ServedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedBody").finish_non_exhaustive()
    }
}
