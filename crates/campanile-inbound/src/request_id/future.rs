//! The future and the body that keep the context current.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::{RequestContext, Scoped, in_flight::InFlightEntry};
use http::{HeaderName, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::Span;

/// What is kept of a request until its answer's head.
pub(super) struct Admitted {
    pub(super) header: &'static HeaderName,
    pub(super) span: Option<Box<Span>>,
    pub(super) seat: Option<InFlightEntry>,
}

pin_project! {
    /// The future of [`RequestIds`](super::RequestIds).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Scoped<F>,
        admitted: Option<Admitted>,
    }
}

impl<F> ResponseFuture<F> {
    /// Makes the future of a request that has its id already.
    pub(super) fn passing(inner: F) -> Self {
        Self {
            inner: Scoped::new(None, inner),
            admitted: None,
        }
    }

    /// Makes the future of a request.
    #[inline]
    pub(super) fn admitted(inner: F, context: Option<RequestContext>, admitted: Admitted) -> Self {
        Self {
            inner: Scoped::new(context, inner),
            admitted: Some(admitted),
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
        let mut this = self.project();
        let Some(admitted) = this.admitted.as_mut() else {
            return this.inner.poll(cx).map_ok(pass);
        };
        let entered = admitted.span.as_deref().map(Span::enter);
        let mut polled = this.inner.as_mut().poll(cx);
        drop(entered);
        let response = match &mut polled {
            Poll::Ready(Ok(response)) => response,
            Poll::Ready(Err(_)) => return polled.map_ok(pass),
            Poll::Pending => return Poll::Pending,
        };
        let Admitted { header, span, seat } = this.admitted.take().expect("seen above");
        let context = this.inner.take_context();
        if let Some(context) = &context {
            let id = context.id().as_header().clone();
            response.headers_mut().insert(header, id);
        }
        if let (Some(seat), false) = (&seat, response.body().is_end_stream()) {
            seat.set_body();
        }
        polled.map_ok(|response| {
            response.map(|body| ResponseBody {
                inner: Scoped::new(context, body),
                span,
                seat,
            })
        })
    }
}

#[cold]
fn pass<B>(response: Response<B>) -> Response<ResponseBody<B>> {
    response.map(ResponseBody::passing)
}

pin_project! {
    /// The body of an answer, polled with the request's context as the current one.
    pub struct ResponseBody<B> {
        #[pin]
        inner: Scoped<B>,
        span: Option<Box<Span>>,
        // Given back at the end of the body, at the latest when it is dropped.
        seat: Option<InFlightEntry>,
    }
}

impl<B> ResponseBody<B> {
    fn passing(inner: B) -> Self {
        Self {
            inner: Scoped::new(None, inner),
            span: None,
            seat: None,
        }
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
        let this = self.project();
        let _entered = this.span.as_deref().map(Span::enter);
        let mut inner = this.inner;
        let polled = inner.as_mut().poll_frame(cx);
        if let Poll::Ready(frame) = &polled
            && (!matches!(frame, Some(Ok(_))) || inner.is_end_stream())
        {
            *this.seat = None;
        }
        polled
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
        Self::passing(B::default())
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
