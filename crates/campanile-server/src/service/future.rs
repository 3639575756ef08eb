//! The future of one request.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_core::body::BodyTracker;
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;
use tower::util::Oneshot;

use super::body::ServedBody;
use super::exchange::Exchange;
use crate::connection::ShutdownStage;

pin_project! {
    pub(crate) struct ResponseFuture<S>
    where
        S: Service<Request<Incoming>>,
    {
        #[pin]
        inner: Oneshot<S, Request<Incoming>>,
        // `None` once the response head is returned.
        exchange: Option<Exchange>,
    }
}

impl<S> ResponseFuture<S>
where
    S: Service<Request<Incoming>>,
{
    #[inline]
    pub(super) fn new(inner: Oneshot<S, Request<Incoming>>, exchange: Exchange) -> Self {
        let exchange = Some(exchange);
        Self { inner, exchange }
    }
}

impl<S, B> Future for ResponseFuture<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<ServedBody<B>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.inner.poll(cx) {
            Poll::Ready(Ok(mut response)) => {
                let exchange = this
                    .exchange
                    .take()
                    .expect("`ResponseFuture` polled after completion");
                exchange.on_response(&mut response);
                let tracker = BodyTracker::of(&response, exchange.method(), exchange);
                Poll::Ready(Ok(response.map(|body| ServedBody::new(tracker.wrap(body)))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match this.exchange {
                Some(exchange) if exchange.stage() >= ShutdownStage::Rejecting => {
                    let response = exchange.reject(ServedBody::empty());
                    *this.exchange = None;
                    Poll::Ready(Ok(response))
                }
                _ => Poll::Pending,
            },
        }
    }
}

impl<S: Service<Request<Incoming>>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
