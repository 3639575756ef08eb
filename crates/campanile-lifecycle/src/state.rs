//! The state shared by a lifecycle and its handles.

#[cfg(unix)]
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::Name;
use crate::check::Checks;
use crate::config::ShutdownConfig;
use crate::guard::GuardNames;
use crate::latch::Latches;
use crate::metrics::LifecycleMetrics;
use crate::phase::{Phase, Stage};
use crate::received_signals::ReceivedSignals;
use crate::report::StopReason;
use crate::wait_group::WaitGroup;
use crate::watch_cell::WatchCell;

/// Logs what the process does.
#[cfg(unix)]
pub(crate) struct Dump(Box<dyn Fn() + Send + Sync>);

#[derive(Debug)]
pub(crate) struct LifecycleState {
    pub(crate) config: ShutdownConfig,
    /// The stage that the service has reached.
    pub(crate) stage: WatchCell<Stage>,
    /// The stage that signals and handles have requested: `Draining`, `Stopping` (no more drain time) or `Cutting`.
    pub(crate) requested: WatchCell<Stage>,
    pub(crate) reason: OnceLock<StopReason>,
    pub(crate) signals: ReceivedSignals,
    /// Why the service failed, if it did.
    pub(crate) failure: OnceLock<Name>,
    /// Logs what a process does that does not end.
    #[cfg(unix)]
    pub(crate) on_stuck: OnceLock<Dump>,
    pub(crate) drain_began: OnceLock<Instant>,
    pub(crate) stop_began: OnceLock<Instant>,
    pub(crate) in_flight: WaitGroup,
    pub(crate) guard_names: GuardNames,
    pub(crate) latches: Latches,
    pub(crate) checks: Checks,
    pub(crate) drained_requests: AtomicU64,
    pub(crate) cut_requests: AtomicU64,
    pub(crate) metrics: LifecycleMetrics,
}

/// The single owner of the state: when it is dropped, the service is `stopped`, so that no task waits indefinitely.
#[derive(Debug)]
pub(crate) struct StateOwner(pub(crate) Arc<LifecycleState>);

impl LifecycleState {
    pub(crate) fn new(config: ShutdownConfig) -> Self {
        Self {
            config,
            stage: WatchCell::new(Stage::Starting),
            requested: WatchCell::new(Stage::Starting),
            reason: OnceLock::new(),
            signals: ReceivedSignals::default(),
            failure: OnceLock::new(),
            #[cfg(unix)]
            on_stuck: OnceLock::new(),
            drain_began: OnceLock::new(),
            stop_began: OnceLock::new(),
            in_flight: WaitGroup::new(),
            guard_names: GuardNames::default(),
            latches: Latches::new(),
            checks: Checks::default(),
            drained_requests: AtomicU64::new(0),
            cut_requests: AtomicU64::new(0),
            metrics: LifecycleMetrics::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.stage.get().phase()
    }

    /// Requests a stage from `Draining` on; returns whether this is the first request for it.
    pub(crate) fn request(&self, stage: Stage, reason: StopReason) -> bool {
        let _ = self.reason.set(reason);
        let _ = self.drain_began.set(Instant::now());
        // Not left to the driver, which may be polled late: the service must not appear ready when this returns.
        let drain_began = self.stage.raise_to(Stage::Draining);
        let raised = self.requested.raise_to(stage);
        // Between the two stores the driver may see the stage and request the drain itself.
        if stage == Stage::Draining {
            drain_began
        } else {
            raised
        }
    }

    /// Requests the stage of the received signals: the first begins the drain, the second ends the drain time, the third
    /// cuts. Does nothing without signals.
    ///
    /// Not relative to `requested`: the TERM that follows a preStop hook's `/drain` still counts as the first.
    #[cfg(unix)]
    pub(crate) fn request_by_signals(&self) {
        let Some((count, name)) = self.signals.received() else {
            return;
        };
        let stage = match count {
            1 => Stage::Draining,
            2 => Stage::Stopping,
            _ => Stage::Cutting,
        };
        self.request(stage, StopReason::Signal(name));
    }

    pub(crate) fn drain_deadline(&self) -> Option<Instant> {
        self.drain_began
            .get()
            .map(|began| *began + self.config.drain_time)
    }

    pub(crate) fn stop_deadline(&self) -> Option<Instant> {
        self.stop_began
            .get()
            .map(|began| *began + self.config.stop_timeout)
    }

    /// Returns the rest of the drain time; `None` before the drain.
    pub(crate) fn drain_time_left(&self) -> Option<Duration> {
        match self.phase() {
            Phase::Starting | Phase::Ready => None,
            Phase::Draining => self
                .drain_deadline()
                .map(|deadline| deadline.saturating_duration_since(Instant::now())),
            Phase::Stopping | Phase::Stopped => Some(Duration::ZERO),
        }
    }
}

impl Drop for StateOwner {
    fn drop(&mut self) {
        self.0.requested.raise_to(Stage::Cutting);
        self.0.stage.raise_to(Stage::Stopped);
    }
}

#[cfg(unix)]
impl Dump {
    pub(crate) fn new(dump: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Box::new(dump))
    }

    pub(crate) fn run(&self) {
        (self.0)();
    }
}

#[cfg(unix)]
impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dump").finish_non_exhaustive()
    }
}
