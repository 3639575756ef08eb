//! The future and the body that keep the context current.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile_http::{
    RequestContext, Scoped,
    body::{self, Asked, BodyEnd, OnBodyEnd, TrackedBody},
    in_flight::Seat,
};
use http::{HeaderName, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::Span;

/// What is kept of a request until its answer's head.
pub(super) struct Admitted {
    pub(super) header: HeaderName,
    pub(super) span: Span,
    pub(super) seat: Option<Seat>,
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

    /// Makes the future of a request, whose inner future `call` makes.
    #[inline]
    pub(super) fn admitted(context: RequestContext, admitted: Admitted, call: impl FnOnce() -> F) -> Self {
        let inner = admitted.span.in_scope(|| Scoped::begin(context, call));
        Self {
            inner,
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
            let response = ready!(this.inner.poll(cx))?;
            return Poll::Ready(Ok(response.map(ResponseBody::passing)));
        };
        let polled = admitted.span.in_scope(|| this.inner.as_mut().poll(cx));
        let mut response = ready!(polled)?;
        let Admitted { header, span, seat } = this.admitted.take().expect("seen above");
        let Some(context) = this.inner.take_context() else {
            return Poll::Ready(Ok(response.map(ResponseBody::passing)));
        };
        response
            .headers_mut()
            .insert(header, context.id().as_header().clone());
        // Asked for whatever: the body of an answer to HEAD is dropped soon, which ends it for the table.
        let held = context.seat();
        let response = body::track_as(response, Asked::Other, HeldSeat(seat), |body| {
            if let (Some(seat), true) = (held, body.is_open()) {
                seat.set_body();
            }
            ResponseBody {
                inner: Scoped::new(Some(context), body),
                span,
            }
        });
        Poll::Ready(Ok(response))
    }
}

/// The request's seat, given back at the end of the body.
struct HeldSeat(#[allow(dead_code, reason = "held to be dropped")] Option<Seat>);

impl OnBodyEnd for HeldSeat {
    #[inline]
    fn on_body_end(&mut self, _end: BodyEnd<'_>) {}
}

pin_project! {
    /// The body of an answer, polled with the request's context as the current one.
    pub struct ResponseBody<B> {
        #[pin]
        inner: Scoped<TrackedBody<B, HeldSeat>>,
        span: Span,
    }
}

impl<B> ResponseBody<B> {
    fn passing(inner: B) -> Self {
        Self {
            inner: Scoped::new(None, TrackedBody::untracked(inner)),
            span: Span::none(),
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
        this.span.in_scope(|| this.inner.poll_frame(cx))
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
