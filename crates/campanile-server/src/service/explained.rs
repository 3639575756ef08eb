//! The body of a response: the service's, or the text of a response that the server makes itself.

use std::fmt;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BoxError;
use super::body::ServedBody;
use super::data::ServedData;
use crate::rejection::Explanation;

pin_project! {
    /// A body of the service, or a text.
    #[project = Projected]
    pub(crate) enum ExplainedBody<B> {
        Served {
            #[pin]
            inner: ServedBody<B>,
        },
        Text {
            text: Bytes,
            // Ends the exchange when it is dropped.
            _ended: ServedBody<B>,
        },
    }
}

/// Bytes of either body.
#[derive(Debug)]
pub(crate) enum ExplainedData<D> {
    Served(D),
    Text(Bytes),
}

impl<B> ExplainedBody<B> {
    /// Takes the explanation of a response that the server made.
    #[inline]
    pub(super) fn of(response: Response<ServedBody<B>>) -> Response<Self> {
        if response.status().is_client_error() {
            return Self::explained(response);
        }
        response.map(|inner| Self::Served { inner })
    }

    #[cold]
    fn explained(mut response: Response<ServedBody<B>>) -> Response<Self> {
        let explanation = response.extensions_mut().remove::<Explanation>();
        response.map(|inner| match explanation {
            Some(Explanation(text)) => Self::Text { text, _ended: inner },
            None => Self::Served { inner },
        })
    }
}

impl<B> Body for ExplainedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = ExplainedData<ServedData<B::Data>>;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        match self.project() {
            Projected::Served { inner } => inner
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(ExplainedData::Served)),
            Projected::Text { text, .. } if text.is_empty() => Poll::Ready(None),
            Projected::Text { text, .. } => {
                let text = std::mem::take(text);
                Poll::Ready(Some(Ok(Frame::data(ExplainedData::Text(text)))))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Served { inner } => inner.is_end_stream(),
            Self::Text { text, .. } => text.is_empty(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Served { inner } => inner.size_hint(),
            Self::Text { text, .. } => SizeHint::with_exact(text.len() as u64),
        }
    }
}

impl<D: Buf> Buf for ExplainedData<D> {
    #[inline]
    fn remaining(&self) -> usize {
        match self {
            Self::Served(data) => data.remaining(),
            Self::Text(text) => text.remaining(),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match self {
            Self::Served(data) => data.chunk(),
            Self::Text(text) => text.chunk(),
        }
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::Served(data) => data.chunks_vectored(slices),
            Self::Text(text) => text.chunks_vectored(slices),
        }
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        match self {
            Self::Served(data) => data.advance(count),
            Self::Text(text) => text.advance(count),
        }
    }

    #[inline]
    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        match self {
            Self::Served(data) => data.copy_to_bytes(length),
            Self::Text(text) => text.copy_to_bytes(length),
        }
    }
}

impl<B> fmt::Debug for ExplainedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainedBody").finish_non_exhaustive()
    }
}
