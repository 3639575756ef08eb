//! Waits for the head, not beyond the deadline.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::Deadline;
use http::Response;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::answer::{ResponseBody, deadline_exceeded};

pin_project! {
    /// The future of [`Propagate`](super::Propagate).
    pub struct ResponseFuture<F> {
        is_grpc: bool,
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Free { #[pin] inner: F },
        // Boxed, since a timer is large and would be moved with each call that needs none.
        Bounded { bounded: Pin<Box<Bounded<F>>> },
        Passed,
    }
}

pin_project! {
    struct Bounded<F> {
        #[pin]
        inner: F,
        #[pin]
        end: Sleep,
        deadline: Deadline,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn new(inner: F, bound: Option<Deadline>, is_grpc: bool) -> Self {
        let state = match bound {
            None => State::Free { inner },
            Some(deadline) => State::Bounded {
                bounded: Box::pin(Bounded {
                    inner,
                    end: sleep_until(deadline.instant().into()),
                    deadline,
                }),
            },
        };
        Self { is_grpc, state }
    }

    pub(super) fn passed(is_grpc: bool) -> Self {
        Self {
            is_grpc,
            state: State::Passed,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProjection::Free { inner } => inner
                .poll(cx)
                .map(|result| result.map(|response| response.map(ResponseBody::new))),
            StateProjection::Bounded { bounded } => poll_bounded(bounded.as_mut(), cx, *this.is_grpc),
            StateProjection::Passed => Poll::Ready(Ok(deadline_exceeded(*this.is_grpc))),
        }
    }
}

#[cold]
fn poll_bounded<F, B, E>(
    bounded: Pin<&mut Bounded<F>>,
    cx: &mut Context<'_>,
    is_grpc: bool,
) -> Poll<Result<Response<ResponseBody<B>>, E>>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    let bounded = bounded.project();
    match bounded.inner.poll(cx) {
        Poll::Ready(Ok(response)) => Poll::Ready(Ok(response.map(ResponseBody::new))),
        // A transport that knows the deadline too may have ended the call a moment before the timer did.
        Poll::Ready(Err(_)) if bounded.deadline.is_passed() => Poll::Ready(Ok(deadline_exceeded(is_grpc))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => bounded.end.poll(cx).map(|()| Ok(deadline_exceeded(is_grpc))),
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
