//! A handle to a running lifecycle.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::ShutdownGuard;
use crate::phase::{Phase, Stage};
use crate::phase_reached::PhaseReached;
use crate::readiness::Readiness;
use crate::report::StopReason;
use crate::state::LifecycleState;
use crate::task::Task;

/// A handle to a [`Lifecycle`](crate::Lifecycle), for servers, probes and background tasks: watches the phases, requests
/// a shutdown and takes guards. Made by [`Lifecycle::handle`](crate::Lifecycle::handle).
///
/// Cloning copies a pointer. Handles do not keep the service running: once its lifecycle is dropped, the phase is
/// `stopped`.
#[derive(Clone)]
pub struct LifecycleHandle {
    state: Arc<LifecycleState>,
}

impl LifecycleHandle {
    pub(crate) fn new(state: &Arc<LifecycleState>) -> Self {
        Self {
            state: Arc::clone(state),
        }
    }

    /// Returns the phase. One atomic load.
    #[must_use]
    #[inline]
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Returns whether the phase is `ready`, regardless of the checks. One atomic load.
    #[must_use]
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.state.stage.get() == Stage::Ready
    }

    /// Returns whether the drain has begun, so that responses carry `Connection: close`. One atomic load.
    #[must_use]
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.state.stage.get() >= Stage::Draining
    }

    /// Completes once the service has reached `phase`, or a later one.
    pub fn reached(&self, phase: Phase) -> PhaseReached {
        PhaseReached::new(&self.state, phase.stage())
    }

    /// Completes with the current phase once it is later than `seen`; never after [`Phase::Stopped`].
    pub async fn changed_from(&self, seen: Phase) -> Phase {
        match Phase::ALL.into_iter().find(|phase| *phase > seen) {
            Some(next) => self.reached(next).await,
            None => std::future::pending().await,
        }
        self.phase()
    }

    /// Completes once the service is ready, or has begun to shut down.
    pub fn ready(&self) -> PhaseReached {
        self.reached(Phase::Ready)
    }

    /// Completes once the drain has begun: keep serving, and ask clients to reconnect.
    pub fn draining(&self) -> PhaseReached {
        self.reached(Phase::Draining)
    }

    /// Completes once the drain time has elapsed: accept nothing new, and finish what is in flight. Pass it to axum's
    /// `with_graceful_shutdown` or tonic's `serve_with_shutdown`.
    pub fn drain_elapsed(&self) -> PhaseReached {
        self.reached(Phase::Stopping)
    }

    /// Completes when remaining work is to be cut: the stop timeout has elapsed, or [`cut`](Self::cut) was called.
    pub fn cutting(&self) -> PhaseReached {
        PhaseReached::new(&self.state, Stage::Cutting)
    }

    /// Completes once the service has stopped.
    pub fn stopped(&self) -> PhaseReached {
        self.reached(Phase::Stopped)
    }

    /// Begins the drain, as a first signal does. Returns false, and does nothing, if it has begun already.
    ///
    /// The phase is no longer `ready` when this returns. The next signal still counts as the first, so that the TERM
    /// after a preStop hook that posts to `/drain` does not end the drain time.
    pub fn drain(&self) -> bool {
        self.state.request(Stage::Draining, StopReason::Requested)
    }

    /// Ends the drain time, as a second signal does. Returns false if that was requested before.
    pub fn end_drain_time(&self) -> bool {
        self.state.request(Stage::Stopping, StopReason::Requested)
    }

    /// Cuts work in flight, as a third signal does. Returns false if that was requested before.
    pub fn cut(&self) -> bool {
        self.state.request(Stage::Cutting, StopReason::Requested)
    }

    /// Begins the drain because the service has failed, for example because it lost a listener. The exit code of the
    /// report is then 1. Returns false, and keeps the first reason, if it has failed before.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) -> bool {
        let first = self.state.failure.set(reason.into()).is_ok();
        self.state.request(Stage::Draining, StopReason::Failed);
        first
    }

    /// Returns the end of the drain time; `None` before the drain.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Instant> {
        self.state.drain_deadline()
    }

    /// Returns the end of the stop timeout; `None` until the drain time has elapsed.
    #[must_use]
    pub fn stop_deadline(&self) -> Option<Instant> {
        self.state.stop_deadline()
    }

    /// Adds a readiness check, or replaces the one of the same name.
    ///
    /// [`readiness`](Self::readiness) runs all checks concurrently, each for at most `limit`. A check that hangs, blocks its
    /// thread or panics fails by itself: checks are polled on blocking threads of the runtime, at most 16 at a time. A check
    /// that blocks beyond `limit` is reported as still running, and is not started again before it returns.
    pub fn add_check<F, Fut, E>(&self, name: impl Into<Cow<'static, str>>, limit: Duration, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.state.checks.add(name.into(), limit, check);
    }

    /// Runs all checks and returns whether the service is ready, and why not.
    ///
    /// It takes as long as the slowest check, at most the longest limit. Once the drain has begun, no check runs and
    /// running ones are dropped, so that the result is immediate. Dropping the future drops its checks.
    ///
    /// # Panics
    ///
    /// If there are checks and it is polled outside of a tokio runtime with time enabled.
    pub async fn readiness(&self) -> Readiness {
        Readiness::check(&self.state).await
    }

    /// Takes a guard that the shutdown waits for: one for each listener, connection or upgraded socket.
    ///
    /// A listener holds its own guard until it has taken those of its last connections, so that the shutdown cannot end
    /// in between.
    pub fn guard(&self) -> ShutdownGuard {
        ShutdownGuard::new(&self.state, None)
    }

    /// Takes a guard with a name, which is logged if the guard is still held at the stop timeout. For work that is not a
    /// future, such as a thread.
    pub fn named_guard(&self, name: impl Into<Cow<'static, str>>) -> ShutdownGuard {
        ShutdownGuard::new(&self.state, Some(name.into()))
    }

    /// Wraps a future as a background task: the shutdown waits for it, for at most `deadline` after the drain time.
    ///
    /// It counts as in flight from now on, also before it is polled. The caller spawns it.
    pub fn task<F: Future>(
        &self,
        name: impl Into<Cow<'static, str>>,
        deadline: Duration,
        future: F,
    ) -> Task<F> {
        Task::new(&self.state, name.into(), deadline, future)
    }

    /// Returns the number of guards and tasks in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.count()
    }

    /// Counts a completed request; does nothing before the drain.
    #[inline]
    pub fn count_served_request(&self) {
        if self.is_draining() {
            self.state.drained_requests.fetch_add(1, Ordering::Relaxed);
            self.state.metrics.count_drained_request();
        }
    }

    /// Counts requests that were cut.
    pub fn count_cut_requests(&self, requests: u64) {
        self.state.cut_requests.fetch_add(requests, Ordering::Relaxed);
        self.state.metrics.count_cut_requests(requests);
    }

    /// Counts a connection that was accepted from the queue after the drain time.
    pub fn count_accepted_after_close(&self) {
        self.state.metrics.count_accepted_after_close();
    }
}

impl fmt::Debug for LifecycleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleHandle")
            .field("phase", &self.phase())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
