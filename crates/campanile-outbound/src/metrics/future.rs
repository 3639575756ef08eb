//! Waits for the head.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::body::BodyTracker;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    ErrorSource, ResponseBody,
    call::Call,
    ending::{Calling, fail, head},
};
use crate::failure::{self, Failure};

pin_project! {
    /// The future of [`Metrics`](super::Metrics).
    pub struct ResponseFuture<F, W, V> {
        #[pin]
        inner: F,
        // Nothing where a layer further out counts it, and once the body has taken it over.
        call: Option<Box<Call>>,
        source: W,
        body_source: V,
    }

    impl<F, W, V> PinnedDrop for ResponseFuture<F, W, V> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(call) = this.project().call.take() {
                fail(call, Failure::CANCELLED);
            }
        }
    }
}

impl<F, W, V> ResponseFuture<F, W, V> {
    /// Makes the future of a call that is not counted here.
    pub(super) fn passing(inner: F, (source, body_source): (W, V)) -> Self {
        Self {
            inner,
            call: None,
            source,
            body_source,
        }
    }

    /// Calls the inner service for a call that is counted here.
    // Always: so that the request is handed on from where it is.
    #[inline(always)]
    pub(super) fn call<S, R>(
        inner: &mut S,
        request: R,
        call: Box<Call>,
        (source, body_source): (W, V),
    ) -> Self
    where
        S: Service<R, Future = F>,
    {
        let calling = Calling::of(call);
        let inner = inner.call(request);
        let call = calling.returned();
        Self {
            inner,
            call,
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
        let around = this.call.as_ref().map(|call| call.enter());
        let polled = this.inner.poll(cx);
        drop(around);
        let tracking = match &polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(response)) => head(this.call, response),
            Poll::Ready(Err(error)) => {
                // The source is the user's code: the call stays where its end is sure until that is through.
                let failure = this
                    .call
                    .is_some()
                    .then(|| failure::to_head(this.source.first(error)));
                if let (Some(failure), Some(call)) = (failure, this.call.take()) {
                    fail(call, failure);
                }
                None
            }
        };
        let tracking = tracking.unwrap_or_else(BodyTracker::nobody);
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
