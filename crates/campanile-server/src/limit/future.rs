//! The future and the body that hold a slot.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile_http::{
    body::{self, Asked, TrackedBody},
    nesting::Identity,
};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::slots::Slot;
use crate::answer::{Asker, Refusal};

pin_project! {
    /// The future of [`ConcurrencyLimit`](super::ConcurrencyLimit).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Passing { #[pin] inner: F },
        Admitted { #[pin] inner: F, slot: Option<Slot>, identity: Identity, asked: Asked },
        Refused { asker: Asker, body_unread: bool },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn passing(inner: F) -> Self {
        Self {
            state: State::Passing { inner },
        }
    }

    pub(super) fn refused(asker: Asker, body_unread: bool) -> Self {
        Self {
            state: State::Refused { asker, body_unread },
        }
    }

    #[inline]
    pub(super) fn admitted(slot: Slot, identity: Identity, asked: Asked, call: impl FnOnce() -> F) -> Self {
        let around = identity.enter();
        let inner = call();
        drop(around);
        Self {
            state: State::Admitted {
                inner,
                slot: Some(slot),
                identity,
                asked,
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + Default,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Passing { inner } => inner.poll(cx).map_ok(ResponseBody::untracked),
            StateProj::Refused { asker, body_unread } => Poll::Ready(Ok(ResponseBody::untracked(
                asker.refuse(Refusal::Shed, *body_unread),
            ))),
            StateProj::Admitted {
                inner,
                slot,
                identity,
                asked,
            } => {
                let around = identity.enter();
                let polled = inner.poll(cx);
                drop(around);
                let result = ready!(polled);
                let slot = slot.take();
                let response = result?;
                Poll::Ready(Ok(match slot {
                    Some(slot) => body::track_as(response, *asked, slot, |inner| ResponseBody { inner }),
                    None => ResponseBody::untracked(response),
                }))
            }
        }
    }
}

pin_project! {
    /// The body of an answer, whose end gives the slot back.
    pub struct ResponseBody<B> {
        #[pin]
        inner: TrackedBody<B, Slot>,
    }
}

impl<B> ResponseBody<B> {
    fn untracked(response: Response<B>) -> Response<Self> {
        response.map(|body| Self {
            inner: TrackedBody::untracked(body),
        })
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
        self.project().inner.poll_frame(cx)
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
        Self {
            inner: TrackedBody::default(),
        }
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
