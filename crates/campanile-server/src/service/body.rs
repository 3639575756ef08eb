//! The response body, which ends early when its request is cut.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use campanile_core::exchange::ObservedBody;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BoxError;
use super::data::ServedData;
use super::observer::ServedRequest;
use crate::connection::{ShutdownStage, StreamProgress};

pin_project! {
    pub(crate) struct ServedBody<B> {
        #[pin]
        inner: ObservedBody<B, ServedRequest>,
        // Of HTTP/2.
        progress: Option<Arc<StreamProgress>>,
    }
}

/// The error that ends a body: hyper closes the connection without a last chunk, or resets the stream, so that the client
/// does not take the body as complete.
#[derive(Debug)]
struct BodyCut;

impl<B> ServedBody<B> {
    #[inline]
    pub(super) fn new(inner: ObservedBody<B, ServedRequest>) -> Self {
        let progress = inner.observer().and_then(ServedRequest::progress).cloned();
        Self { inner, progress }
    }
}

impl<B> Body for ServedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = ServedData<B::Data>;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let this = self.project();
        let inner = this.inner;
        if inner
            .observer()
            .is_some_and(|request| request.stage() == ShutdownStage::Aborting)
        {
            return Poll::Ready(Some(Err(BodyCut.into())));
        }
        if let Some(progress) = this.progress {
            ready!(progress.poll_room(inner.is_end_stream(), cx));
        }
        let frame = ready!(inner.poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Into::into)?;
            Ok(frame.map_data(|data| {
                let waiting = this
                    .progress
                    .as_ref()
                    .map(|progress| progress.add(data.remaining()));
                ServedData::new(data, waiting)
            }))
        }))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        // A stream that is ended cannot be reset, so it is ended once few bytes wait for the client's window.
        self.inner.is_end_stream() && self.progress.as_ref().is_none_or(|progress| progress.may_end())
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
