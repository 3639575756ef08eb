//! What everybody but the owner sees of the phases.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::check::Check;
use crate::hold::Hold;
use crate::phase::{Ask, Phase, Stage};
use crate::reached::Reached;
use crate::readiness::Readiness;
use crate::report::Reason;
use crate::shared::Shared;
use crate::task::Task;

/// A view of a service's phases, for whoever serves, answers probes or works in the background. Made by
/// [`Lifecycle::handle`](crate::Lifecycle::handle).
///
/// Cloning copies a pointer. Handles do not keep the service alive: when its [`Lifecycle`](crate::Lifecycle) is gone,
/// the phase is `stopped`.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
        }
    }

    /// Returns the phase: one atomic load.
    #[must_use]
    #[inline]
    pub fn phase(&self) -> Phase {
        self.shared.phase()
    }

    /// Tells whether the phase is `ready`, whatever the checks say: one atomic load.
    #[must_use]
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.shared.stage.now() == Stage::Ready
    }

    /// Tells whether the drain has begun, so that answers ask their clients to go elsewhere: one atomic load.
    #[must_use]
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.shared.stage.now() >= Stage::Draining
    }

    /// Waits until the service has come to a phase, or beyond it.
    pub fn reached(&self, phase: Phase) -> Reached {
        Reached::new(&self.shared, phase.stage())
    }

    /// Waits until the phase is another than the one that was seen. After [`Phase::Stopped`] there is none.
    pub async fn changed_from(&self, seen: Phase) -> Phase {
        match Phase::ALL.into_iter().find(|phase| *phase > seen) {
            Some(next) => self.reached(next).await,
            None => std::future::pending().await,
        }
        self.phase()
    }

    /// Waits until the service is ready, or will not be any more.
    pub fn ready(&self) -> Reached {
        self.reached(Phase::Ready)
    }

    /// Waits until the drain has begun: serve on, and tell clients to go elsewhere.
    pub fn draining(&self) -> Reached {
        self.reached(Phase::Draining)
    }

    /// Waits until the drain time is over: accept nothing new, finish what is there. What `axum::serve`'s
    /// `with_graceful_shutdown` and tonic's `serve_with_shutdown` want.
    pub fn draining_over(&self) -> Reached {
        self.reached(Phase::Stopping)
    }

    /// Waits until what is left is to be cut.
    pub fn cutting(&self) -> Reached {
        Reached::new(&self.shared, Stage::Cutting)
    }

    /// Waits until the service has stopped.
    pub fn stopped(&self) -> Reached {
        self.reached(Phase::Stopped)
    }

    /// Begins the drain, as a first signal does; returns false if it had begun already, and then does nothing.
    ///
    /// The phase is no longer `ready` when this returns. A signal that follows is the first one still: a preStop hook
    /// that posts to `/drain` is followed by a TERM, which must not end the drain time.
    pub fn drain(&self) -> bool {
        self.shared.ask(Ask::Drain, Reason::Asked)
    }

    /// Ends the drain time, as a second signal does; returns false if that was asked before.
    pub fn end_drain_time(&self) -> bool {
        self.shared.ask(Ask::EndDrainTime, Reason::Asked)
    }

    /// Cuts what is in flight, as a third signal does; returns false if that was asked before.
    pub fn cut(&self) -> bool {
        self.shared.ask(Ask::Cut, Reason::Asked)
    }

    /// Returns when the drain time will be over, or was; nothing before the drain.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Instant> {
        self.shared.drain_deadline()
    }

    /// Returns when what is left will be cut; nothing before the end of the drain time.
    #[must_use]
    pub fn stop_deadline(&self) -> Option<Instant> {
        self.shared.stop_deadline()
    }

    /// Adds a check that has to be well for the service to be ready. One of the same name is replaced.
    ///
    /// It is asked whenever [`readiness`](Self::readiness) is, beside the others, and not waited for longer than
    /// `limit`. A check that hangs or panics fails alone; one that blocks its thread blocks the answer.
    pub fn add_check<F, Fut, E>(&self, name: impl Into<Cow<'static, str>>, limit: Duration, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.shared.checks.add(Check::new(name.into(), limit, check));
    }

    /// Asks all checks at once and tells whether the service is ready, and why not.
    ///
    /// It takes as long as the slowest check, at most the longest of their limits; from the begin of the drain on no
    /// check is asked, and none waited for. Dropping the future drops the checks that it asked.
    ///
    /// # Panics
    ///
    /// If there are checks and it is polled outside of a tokio runtime with time.
    pub async fn readiness(&self) -> Readiness {
        Readiness::of(&self.shared).await
    }

    /// Takes a guard that the stop waits for: one for each listener, connection or upgraded socket.
    ///
    /// In the stop, whoever takes guards for what it accepts has one itself, or the stop may end in between.
    pub fn hold(&self) -> Hold {
        Hold::new(&self.shared, None)
    }

    /// Takes a guard that the stop waits for, named in the log if it is still held when the time is over. For what no
    /// future is, such as a thread.
    pub fn hold_named(&self, name: impl Into<Cow<'static, str>>) -> Hold {
        Hold::new(&self.shared, Some(name.into()))
    }

    /// Makes a background task of a future: the stop waits for it, for at most `deadline` after the drain time.
    ///
    /// It counts from now on, also before it is polled. To spawn it is up to the caller.
    pub fn task<F: Future>(
        &self,
        name: impl Into<Cow<'static, str>>,
        deadline: Duration,
        future: F,
    ) -> Task<F> {
        Task::new(&self.shared, name.into(), deadline, future)
    }

    /// Returns the number of guards and tasks in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.now()
    }

    /// Counts a request that was served to its end; does nothing before the drain.
    #[inline]
    pub fn count_served_request(&self) {
        if self.is_draining() {
            self.shared.drained_requests.fetch_add(1, Ordering::Relaxed);
            self.shared.metrics.count_drained_request();
        }
    }

    /// Counts requests that were cut.
    pub fn count_cut_requests(&self, requests: u64) {
        self.shared.cut_requests.fetch_add(requests, Ordering::Relaxed);
        self.shared.metrics.count_cut_requests(requests);
    }

    /// Counts a connection that was taken from the accept queue after the end of the drain time.
    pub fn count_accepted_after_close(&self) {
        self.shared.metrics.count_accepted_after_close();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("phase", &self.phase())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
