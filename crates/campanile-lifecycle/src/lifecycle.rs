//! The owner of a service's phases.

use std::borrow::Cow;
use std::future::IntoFuture;
#[cfg(unix)]
use std::io;
use std::pin::pin;
use std::sync::Arc;

use campanile_metrics::RecorderHandle;

use crate::config::{InvalidConfig, ShutdownConfig};
use crate::driver::{Driver, ServiceManager, TokioClock};
use crate::handle::LifecycleHandle;
use crate::latch::Latch;
#[cfg(unix)]
use crate::notifier::Notifier;
use crate::phase::Stage;
use crate::phase_reached::PhaseReached;
use crate::report::Report;
use crate::signals::Signals;
#[cfg(unix)]
use crate::state::Dump;
use crate::state::{LifecycleState, StateOwner};

/// Moves a service through its phases: `starting`, `ready`, `draining`, `stopping`, `stopped`, and never back.
///
/// If it is dropped, also while it runs, the service is `stopped`, so that no task waits for it indefinitely.
#[derive(Debug)]
#[must_use = "the phase does not change until `run` is polled"]
pub struct Lifecycle {
    owner: StateOwner,
    signals: Signals,
    manager: ServiceManager,
}

impl Lifecycle {
    /// Creates a lifecycle in the phase `starting`.
    ///
    /// # Errors
    ///
    /// If a time limit is longer than a year.
    pub fn new(config: ShutdownConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            owner: StateOwner(Arc::new(LifecycleState::new(config))),
            signals: Signals::default(),
            manager: ServiceManager::default(),
        })
    }

    /// Records to `recorder` instead of the global one.
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        self.owner.0.metrics.set_recorder(recorder.into());
        self
    }

    /// Notifies the service manager of the phases.
    #[cfg(unix)]
    pub fn with_notifier(mut self, notifier: Notifier) -> Self {
        self.manager = ServiceManager::new(notifier);
        self
    }

    /// Installs handlers for TERM, INT and USR2: the first signal begins the drain, the second ends the drain time, the
    /// third cuts work in flight. Call it before slow start-up work: a signal that arrives before [`run`](Self::run) begins
    /// the drain, which start-up work can await with [`LifecycleHandle::draining`]; `run` then stops without a drain time.
    ///
    /// The signals are taken by a thread of their own, which the first call in a process starts. If the runtime does not
    /// perform the shutdown, because all its threads are blocked, that thread logs what the threads do and ends the process
    /// with exit code 4; see [`with_exit_when_stuck`](ShutdownConfig::with_exit_when_stuck).
    ///
    /// When the last lifecycle with signals has stopped or is dropped, the previous actions are restored: by default these
    /// signals then end the process. A handler that was installed before is also called in between. Several lifecycles in
    /// one process each receive every signal. A forked child has the previous actions.
    ///
    /// # Errors
    ///
    /// If the system refuses a handler, or the thread cannot be started.
    #[cfg(unix)]
    pub fn install_signals(&mut self) -> io::Result<()> {
        self.signals.install(&self.owner.0)
    }

    /// Returns whether [`install_signals`](Self::install_signals) was called.
    #[cfg(unix)]
    #[must_use]
    pub const fn has_signals(&self) -> bool {
        self.signals.are_installed()
    }

    /// Sets what else to log before the process is ended because all threads of its runtime are blocked. It has one second
    /// and is called on a thread without a runtime. Only the first call has an effect.
    #[cfg(unix)]
    pub fn with_stuck_log(self, log: impl Fn() + Send + Sync + 'static) -> Self {
        let _ = self.owner.0.on_stuck.set(Dump::new(log));
        self
    }

    /// Returns a handle, to watch the phases and to request a shutdown.
    #[must_use]
    pub fn handle(&self) -> LifecycleHandle {
        LifecycleHandle::new(&self.owner.0)
    }

    /// Creates a latch: the service becomes ready only after it is released.
    pub fn latch(&self, name: impl Into<Cow<'static, str>>) -> Latch {
        Latch::new(&self.owner.0, name.into())
    }

    /// Moves through the phases, and completes when the service has stopped.
    ///
    /// The service stops as soon as nothing is in flight after the drain time, or when the stop timeout has elapsed. A
    /// service that was never ready has no drain time, since no client was sent to it. Dropping the future drops the
    /// lifecycle.
    ///
    /// # Panics
    ///
    /// If polled outside of a tokio runtime with time enabled.
    pub async fn run(self) -> Report {
        let drain_elapsed = PhaseReached::new(&self.owner.0, Stage::Stopping);
        self.run_with(drain_elapsed).await.0
    }

    /// Moves through the phases while polling a serve future, such as `axum::serve(..)`; completes when both are done.
    ///
    /// The serve future should end after [`LifecycleHandle::drain_elapsed`]. If it ends earlier, for example with an
    /// error, the service stops without a drain time. If it is still pending at the stop timeout, it is dropped and the
    /// output is `None`.
    ///
    /// # Panics
    ///
    /// If polled outside of a tokio runtime with time enabled, or if the serve future panics.
    pub async fn run_with<S: IntoFuture>(self, serve: S) -> (Report, Option<S::Output>) {
        let Self {
            owner,
            signals,
            manager,
        } = self;
        let serve = pin!(serve.into_future());
        Driver::new(owner, signals, manager, serve, TokioClock)
            .run()
            .await
    }
}
