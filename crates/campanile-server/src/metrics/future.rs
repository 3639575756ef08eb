//! The future and the body that carry an exchange to its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile_http::body::{self, TrackedBody};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::Exchange;

pin_project! {
    /// The future of [`Metrics`](super::Metrics).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
    }
}

impl<F> ResponseFuture<F> {
    /// Makes the future of a request that is not counted here.
    pub(super) fn passing(inner: F) -> Self {
        Self {
            inner,
            exchange: None,
        }
    }

    /// Makes the future of an exchange, whose inner future `call` makes.
    #[inline]
    pub(super) fn counting(mut exchange: Exchange, call: impl FnOnce() -> F) -> Self {
        exchange.listen();
        exchange.inside = true;
        let around = exchange.identity().enter();
        let inner = call();
        drop(around);
        exchange.inside = false;
        exchange.hear();
        Self {
            inner,
            exchange: Some(exchange),
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(exchange) = this.exchange.as_mut() else {
            let response = ready!(this.inner.poll(cx))?;
            return Poll::Ready(Ok(response.map(|body| ResponseBody {
                inner: TrackedBody::untracked(body),
            })));
        };
        exchange.listen();
        exchange.inside = true;
        let around = exchange.identity().enter();
        let polled = this.inner.poll(cx);
        drop(around);
        exchange.inside = false;
        exchange.hear();
        let result = ready!(polled);
        let mut exchange = this.exchange.take().expect("seen above");
        match result {
            Ok(response) => {
                let asked = exchange.head(&response);
                Poll::Ready(Ok(body::track_as(response, asked, exchange, |inner| {
                    ResponseBody { inner }
                })))
            }
            Err(error) => {
                exchange.fail();
                Poll::Ready(Err(error))
            }
        }
    }
}

pin_project! {
    /// The body of an answer, whose end is the end of the exchange.
    pub struct ResponseBody<B> {
        #[pin]
        inner: TrackedBody<B, Exchange>,
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().inner.poll_frame(cx)
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

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self {
            inner: TrackedBody::default(),
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
