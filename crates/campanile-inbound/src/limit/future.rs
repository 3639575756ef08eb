//! The future and the body that hold a slot.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::body::{BodyTracker, MethodClass, TrackedBody};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::slots::Slot;
use crate::answer::{Asker, Refusal};

pin_project! {
    /// The future of [`InFlightLimitService`](super::InFlightLimitService).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // Without a slot for what is let through.
        Admitted { #[pin] inner: F, slot: Option<Slot>, asked: MethodClass },
        Refused { asker: Asker, body_unread: bool },
    }
}

impl<F> ResponseFuture<F> {
    #[cold]
    pub(super) fn refused(asker: Asker, body_unread: bool) -> Self {
        Self {
            state: State::Refused { asker, body_unread },
        }
    }

    #[inline]
    pub(super) fn admitted(inner: F, slot: Option<Slot>, asked: MethodClass) -> Self {
        Self {
            state: State::Admitted { inner, slot, asked },
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
            StateProj::Admitted { inner, slot, asked } => {
                let around = slot.as_ref().map(|slot| slot.identity().enter());
                let polled = inner.poll(cx);
                drop(around);
                let tracking = match (&polled, slot.take_if(|_| polled.is_ready())) {
                    (Poll::Ready(Ok(response)), Some(slot)) => BodyTracker::of(response, *asked, slot),
                    _ => BodyTracker::nobody(),
                };
                polled.map_ok(|response| response.map(|body| tracking.wrap(body)))
            }
            StateProj::Refused { asker, body_unread } => Poll::Ready(Ok(refuse(*asker, *body_unread))),
        }
    }
}

#[cold]
fn refuse<B: Default>(asker: Asker, body_unread: bool) -> Response<ResponseBody<B>> {
    asker
        .refuse(Refusal::Shed { body_unread })
        .map(TrackedBody::untracked)
}

/// The body of an answer, whose end gives the slot back.
pub type ResponseBody<B> = TrackedBody<B, Slot>;

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
