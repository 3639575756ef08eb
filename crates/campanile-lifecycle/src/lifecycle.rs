//! The owner of a service's phases.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use campanile_metrics::RecorderHandle;

use crate::clock::TokioClock;
use crate::handle::Handle;
use crate::latch::Latch;
#[cfg(unix)]
use crate::notify::Notifier;
use crate::phase::Stage;
use crate::reached::Reached;
use crate::report::Report;
use crate::settings::{InvalidSettings, Settings};
use crate::shared::{Owner, Shared};
use crate::signals::Signals;
use crate::walk::{Supervisor, Walk};

/// Moves a service through its phases: `starting`, `ready`, `draining`, `stopping`, `stopped`, and never back.
///
/// Dropped, also while it runs, it leaves the service `stopped`, so that nobody waits for it for ever.
#[derive(Debug)]
#[must_use = "nothing moves before `run` is polled"]
pub struct Lifecycle {
    owner: Owner,
    signals: Signals,
    supervisor: Supervisor,
}

impl Lifecycle {
    /// Makes the lifecycle of a service that starts.
    ///
    /// # Errors
    ///
    /// If one of the times is longer than a year.
    pub fn new(settings: Settings) -> Result<Self, InvalidSettings> {
        settings.validate()?;
        Ok(Self {
            owner: Owner(Arc::new(Shared::new(settings))),
            signals: Signals::default(),
            supervisor: Supervisor::default(),
        })
    }

    /// Records to `recorder` instead of the global one.
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        self.owner.0.metrics.set_recorder(recorder.into());
        self
    }

    /// Tells the service manager of the phases.
    #[cfg(unix)]
    pub fn with_notifier(mut self, notifier: Notifier) -> Self {
        self.supervisor = Supervisor::new(notifier);
        self
    }

    /// Catches TERM, INT and USR2 from now on: the first begins the drain, the second ends the drain time, the third
    /// cuts. Call it before anything slow: a signal that comes before [`run`](Self::run) is remembered until then.
    ///
    /// tokio never gives a signal back: once this was called, only `run` acts on it, so a program that hangs before
    /// or after has to be killed. Signals of one kind that come while nobody polls `run` count as one.
    ///
    /// # Errors
    ///
    /// If the system refuses a handler.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO enabled.
    #[cfg(unix)]
    pub fn install_signals(&mut self) -> io::Result<()> {
        self.signals.install()
    }

    /// Returns a view of the phases, for everybody else.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.owner.0)
    }

    /// Takes a latch: the service is not ready before it is released.
    pub fn latch(&self, name: impl Into<Cow<'static, str>>) -> Latch {
        Latch::new(&self.owner.0, name.into())
    }

    /// Moves through the phases, and returns when the service has stopped.
    ///
    /// It ends as soon as nothing is in flight after the drain time, or when the stop timeout is over. A service that
    /// was never ready has no drain time: nobody was told to come. Dropping the future is as dropping the lifecycle.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with time.
    pub async fn run(self) -> Report {
        let draining_over = Reached::new(&self.owner.0, Stage::Stopping);
        self.run_with(draining_over).await.0
    }

    /// Moves through the phases and polls what serves, for example `axum::serve(..)`; returns when both are done.
    ///
    /// What serves should end after [`Handle::draining_over`]; if it ends before, for example by an error, the
    /// service stops without a drain time. If it has not ended when the stop timeout is over, it is dropped, and
    /// there is no output.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with time, and if what serves panics.
    pub async fn run_with<S: IntoFuture>(self, serving: S) -> (Report, Option<S::Output>) {
        let Self {
            owner,
            signals,
            supervisor,
        } = self;
        let serving = pin!(serving.into_future());
        Walk::new(owner, signals, supervisor, serving, TokioClock)
            .walk()
            .await
    }
}
