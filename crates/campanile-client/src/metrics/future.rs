//! Waits for the head.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile_http::{
    body::{self, Asked},
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
        let result = ready!(polled);
        let mut call = this.call.0.take();
        Poll::Ready(match result {
            Ok(response) => {
                if let Some(call) = &mut call {
                    call.head(&response);
                }
                let source = this.body_source.clone();
                let response = body::track(response, *this.asked, EndOfCall(call));
                Ok(response.map(|tracked| ResponseBody::new(tracked, source)))
            }
            Err(error) => {
                if let Some(mut call) = call {
                    call.fail(failure::to_head(this.source.first(&error)));
                    call.end();
                }
                Err(error)
            }
        })
    }
}

impl<F, W, V> fmt::Debug for ResponseFuture<F, W, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
