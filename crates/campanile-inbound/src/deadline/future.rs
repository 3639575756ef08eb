//! The future that races the inner one against the clock.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use campanile_core::{Deadline, RequestContext, Scoped, clock::FastInstant};
use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::{
    answer::{Asker, Refusal},
    series::ServerSeries,
};

pin_project! {
    /// The future of [`Deadlines`](super::Deadlines).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        soft_limit: Option<SoftLimit>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Unbounded { #[pin] inner: F },
        // Boxed, since a timer is large and would be moved with each request that needs none.
        Bounded { bounded: Pin<Box<Bounded<F>>> },
        Passed { asker: Asker },
    }
}

pin_project! {
    struct Bounded<F> {
        #[pin]
        inner: Scoped<F>,
        #[pin]
        sleep: Sleep,
        asker: Asker,
    }
}

/// The soft limit of one request.
pub(super) struct SoftLimit {
    pub(super) table: &'static ServerSeries,
    pub(super) limit: Duration,
    pub(super) started: FastInstant,
}

impl SoftLimit {
    #[cold]
    fn check(this: &mut Option<Self>) {
        let Some(this) = this.take() else { return };
        let took = this.started.until(FastInstant::now());
        if took <= this.limit {
            return;
        }
        this.table.count_soft_timeout();
        let id = RequestContext::current().map(|context| context.id().clone());
        tracing::warn!(
            target: "campanile::deadline",
            request_id = id.as_ref().map_or("", |id| id.as_str()),
            took_seconds = took.as_secs_f64(),
            limit_seconds = this.limit.as_secs_f64(),
            "answer took longer than the soft limit"
        );
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn unbounded(inner: F, soft_limit: Option<SoftLimit>) -> Self {
        Self {
            state: State::Unbounded { inner },
            soft_limit,
        }
    }

    pub(super) fn passed(asker: Asker) -> Self {
        Self {
            state: State::Passed { asker },
            soft_limit: None,
        }
    }

    pub(super) fn bounded(
        context: RequestContext,
        deadline: Deadline,
        asker: Asker,
        soft_limit: Option<SoftLimit>,
        call: impl FnOnce() -> F,
    ) -> Self {
        let mut context = Some(context);
        let lent = RequestContext::lend(&mut context);
        let inner = call();
        drop(lent);
        let bounded = Box::pin(Bounded {
            inner: Scoped::new(context, inner),
            sleep: tokio::time::sleep(deadline.remaining()),
            asker,
        });
        Self {
            state: State::Bounded { bounded },
            soft_limit,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.state.project() {
            StateProj::Unbounded { inner } => inner.poll(cx),
            StateProj::Bounded { bounded } => poll_bounded(bounded, cx),
            StateProj::Passed { asker } => Poll::Ready(Ok(asker.refuse(Refusal::DeadlinePassed))),
        };
        if this.soft_limit.is_some() && polled.is_ready() {
            SoftLimit::check(this.soft_limit);
        }
        polled
    }
}

#[cold]
fn poll_bounded<F, B, E>(
    bounded: &mut Pin<Box<Bounded<F>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<B>, E>>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    let bounded = bounded.as_mut().project();
    match bounded.inner.poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => {
            std::task::ready!(bounded.sleep.poll(cx));
            Poll::Ready(Ok(bounded.asker.refuse(Refusal::DeadlinePassed)))
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
