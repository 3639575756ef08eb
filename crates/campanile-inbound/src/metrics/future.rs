//! The future and the body that carry an exchange to its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::body::{BodyTracker, TrackedBody};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    ending::{Ending, end_early, fail},
    exchange::{Exchange, head},
    inside::Calling,
};

pin_project! {
    /// The future of [`Metrics`](super::Metrics).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Nothing for a request that is not counted, and once the body has taken it over.
        exchange: Option<Box<Exchange>>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(exchange) = this.project().exchange.take() {
                end_early(exchange);
            }
        }
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

    /// Calls the inner service for a request that is counted here.
    // Always: so that the request is handed on from where it is.
    #[inline(always)]
    pub(super) fn call<S, R>(inner: &mut S, request: R, exchange: Box<Exchange>) -> Self
    where
        S: Service<R, Future = F>,
    {
        let calling = Calling::of(exchange);
        let inner = inner.call(request);
        let exchange = calling.returned();
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
        let Some(exchange) = this.exchange else {
            return this.inner.poll(cx).map_ok(pass);
        };
        let inside = exchange.enter();
        let polled = this.inner.poll(cx);
        inside.returned();
        let tracking = match &polled {
            Poll::Ready(Ok(response)) => head(this.exchange, response),
            Poll::Ready(Err(_)) => {
                if let Some(exchange) = this.exchange.take() {
                    fail(exchange);
                }
                None
            }
            Poll::Pending => return Poll::Pending,
        };
        let tracking = tracking.unwrap_or_else(BodyTracker::nobody);
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
