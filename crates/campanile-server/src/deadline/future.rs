//! The future that races the inner one against the clock.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use campanile_http::{Deadline, RequestContext, Scoped, clock::Mark};
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
        Bounded { #[pin] inner: Scoped<F>, #[pin] sleep: Sleep, asker: Asker },
        Passed { asker: Asker },
    }
}

/// The soft limit of one request.
pub(super) struct SoftLimit {
    pub(super) table: &'static ServerSeries,
    pub(super) limit: Duration,
    pub(super) started: Mark,
}

impl SoftLimit {
    fn check(self) {
        let took = self.started.until(Mark::now());
        if took <= self.limit {
            return;
        }
        self.table.count_soft_timeout();
        let id = RequestContext::current().map(|context| context.id().clone());
        tracing::warn!(
            target: "campanile::deadline",
            request_id = id.as_ref().map_or("", |id| id.as_str()),
            took_seconds = took.as_secs_f64(),
            limit_seconds = self.limit.as_secs_f64(),
            "answer took longer than the soft limit"
        );
    }
}

impl<F> ResponseFuture<F> {
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
        let inner = Scoped::begin(context, call);
        let sleep = tokio::time::sleep(deadline.remaining());
        Self {
            state: State::Bounded { inner, sleep, asker },
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
        let result = match this.state.project() {
            StateProj::Unbounded { inner } => std::task::ready!(inner.poll(cx)),
            StateProj::Passed { asker } => Ok(asker.refuse(Refusal::DeadlinePassed)),
            StateProj::Bounded { inner, sleep, asker } => match inner.poll(cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    std::task::ready!(sleep.poll(cx));
                    Ok(asker.refuse(Refusal::DeadlinePassed))
                }
            },
        };
        if let Some(soft_limit) = this.soft_limit.take() {
            soft_limit.check();
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
