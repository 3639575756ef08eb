//! The future of one request.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_core::exchange;
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;
use tower::util::Oneshot;

use super::body::ServedBody;
use super::explained::ExplainedBody;
use super::observer::ServedRequest;

pin_project! {
    pub(crate) struct ResponseFuture<S>
    where
        S: Service<Request<Incoming>>,
    {
        #[pin]
        inner: exchange::ResponseFuture<Oneshot<S, Request<Incoming>>, ServedRequest>,
    }
}

impl<S> ResponseFuture<S>
where
    S: Service<Request<Incoming>>,
{
    #[inline]
    pub(super) fn new(inner: exchange::ResponseFuture<Oneshot<S, Request<Incoming>>, ServedRequest>) -> Self {
        Self { inner }
    }
}

impl<S, B> Future for ResponseFuture<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<ExplainedBody<B>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().inner.poll(cx);
        polled.map_ok(|response| ExplainedBody::of(response.map(ServedBody::new)))
    }
}

impl<S: Service<Request<Incoming>>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
