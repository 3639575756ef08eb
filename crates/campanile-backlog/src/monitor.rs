//! The monitor: listeners, and what is sampled of them.

use std::fmt;
use std::time::Duration;

use metrics::Recorder;
use tokio::time::MissedTickBehavior;

use crate::backlog::Backlog;
use crate::counted::Counted;
use crate::error::{WatchError, WatchErrorKind};
use crate::fd::AsFd;
use crate::kernel::{self, Socket, UnixDiag};
use crate::label::free_label;
use crate::metrics::Source;
use crate::options::WatchOptions;
use crate::saturation::Saturation;
use crate::warnings;
use crate::watched::Watched;

/// Samples the accept queues of listeners; see the [crate docs](crate).
///
/// It holds no listener open: one that its owner closes is at its end, and its series too. When the monitor is dropped
/// all of its series read 0.
#[derive(Default)]
pub struct BacklogMonitor {
    source: Source,
    writer: Option<Box<dyn Fn() -> bool + Send>>,
    saturation: Option<Saturation>,
    listeners: Vec<Watched>,
    diag: Option<UnixDiag>,
    namespace: Option<Counted>,
}

impl BacklogMonitor {
    /// Creates a monitor without listeners. It registers and opens nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records to `recorder` instead of the installed one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.source = Source::of(recorder);
        self
    }

    /// Asks `is_writer` at each sample whether this process is the one that records what all processes see alike: the
    /// counts of the network namespace, and listeners [shared](WatchOptions::with_sharing) between them. Without this,
    /// each does.
    #[must_use]
    pub fn with_writer(mut self, is_writer: impl Fn() -> bool + Send + 'static) -> Self {
        self.writer = Some(Box::new(is_writer));
        self
    }

    /// Computes a saturation after each sample.
    #[must_use]
    pub fn with_saturation(mut self, saturation: Saturation) -> Self {
        self.saturation = Some(saturation);
        self
    }

    /// Begins to watch a listener, under its address as label: `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`; further
    /// ones of the same address are `…#1`, `…#2`.
    ///
    /// Nothing of it is borrowed or kept: give the listener to whoever accepts afterwards, and close it as you like. It
    /// is known by the number of its descriptor, so it is this descriptor that has to stay open, not a duplicate of it.
    /// Where there is no Linux, nothing will be seen, which is logged once.
    ///
    /// # Errors
    ///
    /// [`WatchErrorKind`] says what may be wrong with a descriptor.
    pub fn watch(&mut self, listener: &impl AsFd) -> Result<Backlog, WatchError> {
        self.watch_with(listener, &WatchOptions::new())
    }

    /// Begins to watch a listener, as [`watch`](Self::watch) does, of which more is known.
    ///
    /// # Errors
    ///
    /// As for [`watch`](Self::watch).
    pub fn watch_with(
        &mut self,
        listener: &impl AsFd,
        options: &WatchOptions,
    ) -> Result<Backlog, WatchError> {
        if !kernel::IS_KNOWN {
            warnings::unsupported();
            let label = options.label.as_deref().unwrap_or("unknown");
            return Ok(Backlog::new(free_label(label, |_| false), false));
        }
        // First, so that no overflow of the listener's is missing there.
        self.count_namespace();
        let identified = Socket::identify(listener, &mut self.diag)?;
        self.listeners.retain(|watched| !watched.has_ended());
        if self
            .listeners
            .iter()
            .any(|watched| watched.is_same(&identified.socket))
        {
            return Err(WatchErrorKind::AlreadyWatched.into());
        }
        let label = free_label(options.label.as_deref().unwrap_or(&identified.address), |label| {
            self.listeners.iter().any(|watched| watched.label() == label)
        });
        warnings::judge_limit(&label, identified.reading.limit, options.requested);
        let backlog = Backlog::new(label, true);
        let counted = self.namespace.as_ref().map(Counted::namespace);
        self.listeners
            .push(Watched::new(identified, backlog.clone(), options, counted));
        Ok(backlog)
    }

    /// Samples every listener once and records what it finds. It waits for nothing, and allocates nothing once all
    /// series are registered.
    ///
    /// An error is logged and counted; the gauges keep their value then, and `listener_backlog_samples_total` stands
    /// still.
    pub fn sample(&mut self) {
        let counts = self.namespace.as_mut().and_then(Counted::advance);
        for watched in &mut self.listeners {
            watched.read(&mut self.diag);
        }
        if self.listeners.iter().any(Watched::needs_judgement) {
            // All that was read lies between the begin of the last sample and now.
            let now = self.namespace.as_mut().and_then(Counted::now);
            let since = now
                .zip(counts)
                .map(|(now, since)| now.overflows.saturating_sub(since.overflows));
            for watched in &mut self.listeners {
                watched.judge(since);
            }
        } else {
            self.listeners.iter_mut().for_each(|watched| watched.judge(None));
        }
        self.record();
        self.listeners.retain(|watched| !watched.has_ended());
    }

    /// Samples now and then after each `interval`, for ever; 250 ms are a good one.
    ///
    /// Cancel safe: when it is dropped, so is the monitor, and its series read 0.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with timers, and if `interval` is zero.
    pub async fn run(mut self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        // A runtime that stood still owes no samples.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sample();
        }
    }

    fn count_namespace(&mut self) {
        if self.namespace.is_none() {
            self.namespace = Counted::new();
        }
    }

    fn record(&mut self) {
        let is_writer = self.writer.as_ref().is_none_or(|is_writer| is_writer());
        for watched in &mut self.listeners {
            watched.record(self.source, is_writer);
        }
        if let Some(namespace) = &mut self.namespace {
            namespace.record(self.source, is_writer);
        }
        if let Some(saturation) = &mut self.saturation {
            saturation.sample_with(self.source);
        }
    }
}

impl Drop for BacklogMonitor {
    fn drop(&mut self) {
        self.listeners.iter_mut().for_each(Watched::end);
    }
}

impl fmt::Debug for BacklogMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BacklogMonitor")
            .field("listeners", &self.listeners)
            .field("saturation", &self.saturation)
            .finish_non_exhaustive()
    }
}
