//! A future that waits for a phase.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::phase::Stage;
use crate::state::LifecycleState;
use crate::watch_cell::Waiter;

/// Completes once the service has reached a phase, or a later one. Made by
/// [`LifecycleHandle`](crate::LifecycleHandle).
///
/// It is `'static`, may move between tasks and may be polled again after it completed. A poll without news is one atomic
/// load, so every connection can have one in its `select!`. Dropping it removes its waker.
#[must_use = "futures do nothing unless polled"]
pub struct PhaseReached {
    state: Arc<LifecycleState>,
    stage: Stage,
    waiter: Waiter,
}

impl PhaseReached {
    pub(crate) fn new(state: &Arc<LifecycleState>, stage: Stage) -> Self {
        Self {
            state: Arc::clone(state),
            stage,
            waiter: Waiter::default(),
        }
    }

    /// Returns whether the phase is reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.state.stage.get() >= self.stage
    }
}

impl Future for PhaseReached {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { state, stage, waiter } = self.get_mut();
        state.stage.poll_reached(*stage, waiter, cx)
    }
}

impl Clone for PhaseReached {
    fn clone(&self) -> Self {
        Self::new(&self.state, self.stage)
    }
}

impl Drop for PhaseReached {
    fn drop(&mut self) {
        self.state.stage.forget(&mut self.waiter);
    }
}

impl fmt::Debug for PhaseReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseReached")
            .field("target", &self.stage)
            .field("current", &self.state.stage.get())
            .finish()
    }
}
