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
use http_body::Body;
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
            StateProj::Passing { inner } => inner.poll(cx).map_ok(untracked),
            StateProj::Refused { asker, body_unread } => {
                Poll::Ready(Ok(untracked(asker.refuse(Refusal::Shed {
                    body_unread: *body_unread,
                }))))
            }
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
                    Some(slot) => body::track(response, *asked, slot),
                    None => untracked(response),
                }))
            }
        }
    }
}

/// The body of an answer, whose end gives the slot back.
pub type ResponseBody<B> = TrackedBody<B, Slot>;

fn untracked<B: Body>(response: Response<B>) -> Response<ResponseBody<B>> {
    response.map(TrackedBody::untracked)
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
