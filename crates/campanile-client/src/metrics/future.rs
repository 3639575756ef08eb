//! Waits for the head.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_http::{
    body::{Asked, Tracking},
    nesting::Identity,
};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{ErrorSource, ResponseBody, call::EndOfCall};
use crate::failure;

pin_project! {
    /// The future of [`Metrics`](super::Metrics).
    pub struct ResponseFuture<F, W, V> {
        #[pin]
        inner: F,
        call: EndOfCall,
        identity: Identity,
        asked: Asked,
        source: W,
        body_source: V,
    }
}

impl<F, W, V> ResponseFuture<F, W, V> {
    pub(super) fn new(
        inner: F,
        call: EndOfCall,
        identity: Identity,
        asked: Asked,
        source: W,
        body_source: V,
    ) -> Self {
        Self {
            inner,
            call,
            identity,
            asked,
            source,
            body_source,
        }
    }
}

impl<F, B, E, W, V> Future for ResponseFuture<F, W, V>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    W: ErrorSource<E>,
    V: ErrorSource<B::Error>,
{
    type Output = Result<Response<ResponseBody<B, V>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let around = this.call.0.is_some().then(|| this.identity.enter());
        let polled = this.inner.poll(cx);
        drop(around);
        let tracking = match &polled {
            Poll::Ready(Ok(response)) => {
                let mut call = EndOfCall(this.call.0.take());
                if let Some(call) = &mut call.0 {
                    call.head(response);
                }
                Tracking::of(response, *this.asked, call)
            }
            Poll::Ready(Err(error)) => {
                if let Some(mut call) = this.call.0.take() {
                    call.fail(failure::to_head(this.source.first(error)));
                    call.end();
                }
                Tracking::nobody()
            }
            Poll::Pending => return Poll::Pending,
        };
        polled.map_ok(|response| {
            response.map(|body| ResponseBody::new(tracking.wrap(body), this.body_source.clone()))
        })
    }
}

impl<F, W, V> fmt::Debug for ResponseFuture<F, W, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
