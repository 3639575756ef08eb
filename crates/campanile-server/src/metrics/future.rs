//! The future and the body that carry an exchange to its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_http::body::TrackedBody;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{ending::Ending, exchange::Exchange};

pin_project! {
    /// The future of [`Metrics`](super::Metrics).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: Exchange,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let exchange = this.project().exchange;
            if exchange.is_counted() {
                exchange.end_early();
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn new(inner: F, exchange: Exchange) -> Self {
        Self { inner, exchange }
    }

    /// Calls the inner service for a request that is counted here.
    // Always: so that the request is handed on from where it is.
    #[inline(always)]
    pub(super) fn call<S, R>(inner: &mut S, request: R, mut exchange: Exchange) -> Self
    where
        S: Service<R, Future = F>,
    {
        let calling = exchange.call();
        let around = calling.exchange.enter();
        let inner = inner.call(request);
        drop(around);
        calling.returned();
        Self { inner, exchange }
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
        let exchange = this.exchange;
        if !exchange.is_counted() {
            return this.inner.poll(cx).map_ok(pass);
        }
        exchange.listen();
        let around = exchange.enter();
        let polled = this.inner.poll(cx);
        drop(around);
        exchange.hear();
        let tracking = match &polled {
            Poll::Ready(Ok(response)) => exchange.answered(response),
            Poll::Ready(Err(_)) => exchange.fail(),
            Poll::Pending => return Poll::Pending,
        };
        polled.map_ok(|response| response.map(|body| tracking.wrap(body)))
    }
}

#[cold]
fn pass<B>(response: Response<B>) -> Response<ResponseBody<B>> {
    response.map(TrackedBody::untracked)
}

/// The body of an answer, whose end is the end of the exchange.
pub type ResponseBody<B> = TrackedBody<B, Ending>;

impl<F: fmt::Debug> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
