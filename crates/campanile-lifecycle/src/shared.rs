//! What the owner of the phases shares with everybody who watches them.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::check::Checks;
use crate::count::Count;
use crate::hold::Names;
use crate::latch::Latches;
use crate::level::Level;
use crate::metrics::LifecycleMetrics;
use crate::phase::{Ask, Phase, Stage};
use crate::report::Reason;
use crate::settings::Settings;

/// The name of a check, a latch or a task.
pub(crate) type Name = Cow<'static, str>;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) stage: Level<Stage>,
    pub(crate) asks: Level<Ask>,
    pub(crate) reason: OnceLock<Reason>,
    pub(crate) drain_began: OnceLock<Instant>,
    pub(crate) stop_began: OnceLock<Instant>,
    pub(crate) in_flight: Count,
    pub(crate) names: Names,
    pub(crate) latches: Latches,
    pub(crate) checks: Checks,
    pub(crate) drained_requests: AtomicU64,
    pub(crate) cut_requests: AtomicU64,
    pub(crate) metrics: LifecycleMetrics,
}

/// The one who moves the phases. When it goes, the service has stopped, and nobody waits for it for ever.
#[derive(Debug)]
pub(crate) struct Owner(pub(crate) Arc<Shared>);

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            stage: Level::new(Stage::Starting),
            asks: Level::new(Ask::Nothing),
            reason: OnceLock::new(),
            drain_began: OnceLock::new(),
            stop_began: OnceLock::new(),
            in_flight: Count::new(),
            names: Names::default(),
            latches: Latches::new(),
            checks: Checks::default(),
            drained_requests: AtomicU64::new(0),
            cut_requests: AtomicU64::new(0),
            metrics: LifecycleMetrics::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.stage.now().phase()
    }

    /// Asks for a stop, or for more haste; tells whether it was not asked before.
    pub(crate) fn ask(&self, ask: Ask, reason: Reason) -> bool {
        let _ = self.reason.set(reason);
        let _ = self.drain_began.set(Instant::now());
        // Not left to the owner, who may be slow to be polled: whoever was told that the drain has begun must not then
        // find the service ready.
        let begun = self.stage.raise_to(Stage::Draining);
        let more = self.asks.raise_to(ask);
        // The owner may see the stage before the word that it waits for, and ask in its own name.
        if ask == Ask::Drain { begun } else { more }
    }

    pub(crate) fn drain_deadline(&self) -> Option<Instant> {
        self.drain_began
            .get()
            .map(|began| *began + self.settings.drain_time)
    }

    pub(crate) fn stop_deadline(&self) -> Option<Instant> {
        self.stop_began
            .get()
            .map(|began| *began + self.settings.stop_timeout)
    }

    /// What is left of the drain time; nothing before the drain.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        match self.phase() {
            Phase::Starting | Phase::Ready => None,
            Phase::Draining => self
                .drain_deadline()
                .map(|deadline| deadline.saturating_duration_since(Instant::now())),
            Phase::Stopping | Phase::Stopped => Some(Duration::ZERO),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.asks.raise_to(Ask::Cut);
        self.0.stage.raise_to(Stage::Stopped);
    }
}
