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
        upload: StreamUpload,
    }
}

/// Whether hyper checks for a reset of the stream before the next poll of the service.
///
/// hyper drops the request of a stream that its client has reset only while the service is pending, but the body's error
/// also wakes the service, which would respond to it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamUpload {
    /// Not a stream of HTTP/2, or its request is complete.
    None,
    /// The stream was not polled yet.
    New,
    /// The next poll returns to hyper.
    Unchecked,
    /// hyper has found no reset.
    Checked,
}

impl<S> ResponseFuture<S>
where
    S: Service<Request<Incoming>>,
{
    #[inline]
    pub(super) fn new(
        inner: exchange::ResponseFuture<Oneshot<S, Request<Incoming>>, ServedRequest>,
        upload: StreamUpload,
    ) -> Self {
        Self { inner, upload }
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
        let this = self.project();
        match *this.upload {
            StreamUpload::None => {}
            StreamUpload::Unchecked => {
                *this.upload = StreamUpload::Checked;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            StreamUpload::New | StreamUpload::Checked => *this.upload = StreamUpload::Unchecked,
        }
        let polled = this.inner.poll(cx);
        polled.map_ok(|response| ExplainedBody::of(response.map(ServedBody::new)))
    }
}

impl<S: Service<Request<Incoming>>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
