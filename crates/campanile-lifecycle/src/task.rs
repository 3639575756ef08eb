//! A background task that the shutdown waits for, up to a deadline of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::Name;
use crate::guard::ShutdownGuard;
use crate::phase::Stage;
use crate::phase_reached::PhaseReached;
use crate::state::LifecycleState;

pin_project! {
    /// A named future that the shutdown waits for. Made by [`LifecycleHandle::task`](crate::LifecycleHandle::task).
    ///
    /// Its output is that of the future, or `None` if the future was cut and dropped: at the task's deadline, which counts
    /// from the end of the drain time, or when all work in flight is cut. The future learns of the shutdown by itself, with
    /// [`LifecycleHandle::draining`](crate::LifecycleHandle::draining) or
    /// [`LifecycleHandle::drain_elapsed`](crate::LifecycleHandle::drain_elapsed).
    #[must_use = "futures do nothing unless polled"]
    pub struct Task<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        timer: Option<Sleep>,
        deadline: Duration,
        name: Name,
        drain_elapsed: PhaseReached,
        cutting: PhaseReached,
        state: Arc<LifecycleState>,
        // Declared after the future, to be dropped after it.
        guard: Option<ShutdownGuard>,
    }
}

impl<F> Task<F> {
    pub(crate) fn new(state: &Arc<LifecycleState>, name: Name, deadline: Duration, future: F) -> Self {
        Self {
            future: Some(future),
            timer: None,
            deadline,
            drain_elapsed: PhaseReached::new(state, Stage::Stopping),
            cutting: PhaseReached::new(state, Stage::Cutting),
            state: Arc::clone(state),
            guard: Some(ShutdownGuard::new(state, Some(name.clone()))),
            name,
        }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = Option<F::Output>;

    /// # Panics
    ///
    /// If polled again after completion.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let output = match future.expect("`Task` polled after completion").poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => {
                let mut cut = Pin::new(&mut *this.cutting).poll(cx).is_ready();
                if !cut && Pin::new(&mut *this.drain_elapsed).poll(cx).is_ready() {
                    if this.timer.is_none() {
                        let began = this.state.stop_began.get().copied();
                        let began = began.unwrap_or_else(Instant::now);
                        this.timer
                            .set(Some(tokio::time::sleep_until(began + *this.deadline)));
                    }
                    let timer = this.timer.as_mut().as_pin_mut();
                    if timer.is_some_and(|timer| timer.poll(cx).is_ready()) {
                        tracing::warn!(
                            task = &**this.name,
                            "task cut at its deadline of {:?}",
                            this.deadline
                        );
                        this.state.guard_names.add_cut(this.name.clone());
                        cut = true;
                    }
                }
                if !cut {
                    return Poll::Pending;
                }
                None
            }
        };
        this.future.set(None);
        *this.guard = None;
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Task<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("deadline", &self.deadline)
            .field("done", &self.guard.is_none())
            .finish_non_exhaustive()
    }
}
