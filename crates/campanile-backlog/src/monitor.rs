//! The monitor: watches listeners and samples their accept queues.

use std::fmt;
use std::time::Duration;

use campanile_metrics::RecorderHandle;
use metrics::SharedString;
use tokio::time::MissedTickBehavior;

use crate::AsFd;
use crate::backlog::Backlog;
use crate::caught_closure::CaughtClosure;
use crate::error::{WatchError, WatchErrorKind};
use crate::kernel::{self, ListeningSocket, UnixDiag};
use crate::listener::WatchedListener;
use crate::namespace::NamespaceCounters;
use crate::options::WatchOptions;
use crate::saturation::Saturation;
use crate::warnings;

/// Samples the accept queues of listeners; see the [crate docs](crate).
///
/// It keeps no listener open: the series of a listener ends when its owner closes it. Dropping the monitor sets all of its
/// gauges to 0.
#[derive(Default)]
pub struct BacklogMonitor {
    recorder: RecorderHandle,
    is_writer: Option<CaughtClosure<bool>>,
    saturation: Option<Saturation>,
    listeners: Vec<WatchedListener>,
    diag: Option<UnixDiag>,
    namespace: Option<NamespaceCounters>,
}

impl BacklogMonitor {
    /// Creates a monitor without listeners. It registers and opens nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records to `recorder` instead of the global one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.recorder = recorder.into();
        self
    }

    /// Sets a closure, called at each sample, that returns whether this process records what all processes share: the
    /// counters of the network namespace, and [shared](WatchOptions::with_sharing) listeners. By default every process
    /// does. If it panics, its last value stands.
    #[must_use]
    pub fn with_writer(mut self, is_writer: impl Fn() -> bool + Send + 'static) -> Self {
        self.is_writer = Some(CaughtClosure::new("is_writer", false, is_writer));
        self
    }

    /// Computes a saturation after each sample.
    #[must_use]
    pub fn with_saturation(mut self, saturation: Saturation) -> Self {
        self.saturation = Some(saturation);
        self
    }

    /// Watches a listener, with its address as the label: `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`. Further listeners
    /// with the same address are `…#1`, `…#2`.
    ///
    /// The listener is neither borrowed nor kept open. It is identified by the number of this descriptor, so this one must
    /// stay open, not a duplicate of it. On systems other than Linux nothing is sampled, and a warning is logged once.
    ///
    /// # Errors
    ///
    /// Returns an error if the descriptor is not a listening socket of a supported type; see [`WatchErrorKind`].
    pub fn watch(&mut self, listener: &impl AsFd) -> Result<Backlog, WatchError> {
        self.watch_with(listener, &WatchOptions::new())
    }

    /// Watches a listener as [`watch`](Self::watch) does, with options.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`watch`](Self::watch).
    pub fn watch_with(
        &mut self,
        listener: &impl AsFd,
        options: &WatchOptions,
    ) -> Result<Backlog, WatchError> {
        if !kernel::IS_SUPPORTED {
            warnings::unsupported();
            let label = options.label.as_deref().unwrap_or("unknown");
            return Ok(Backlog::new(unique_label(label, |_| false), false));
        }
        // Before the listener is read, so that the namespace counters include all of its overflows.
        if self.namespace.is_none() {
            self.namespace = NamespaceCounters::open();
        }
        let identified = ListeningSocket::identify(listener, &mut self.diag)?;
        self.listeners.retain(|listener| !listener.is_closed());
        let mut watched = self.listeners.iter();
        if watched.any(|listener| listener.is_same(&identified.socket)) {
            return Err(WatchErrorKind::AlreadyWatched.into());
        }
        let label = options.label.as_deref().unwrap_or(&identified.address);
        let label = unique_label(label, |label| {
            self.listeners.iter().any(|listener| listener.label() == label)
        });
        warnings::check_limit(&label, identified.reading.limit, options.requested_limit);
        let backlog = Backlog::new(label, true);
        let netstat = self.namespace.as_ref().map(NamespaceCounters::netstat);
        self.listeners.push(WatchedListener::new(
            identified,
            backlog.clone(),
            options,
            netstat,
        ));
        Ok(backlog)
    }

    /// Samples every listener once and records the results. It does not block, and does not allocate once all series are
    /// registered.
    ///
    /// A sample that fails is logged and counted. Its gauges keep their values, and `listener_backlog_samples_total` does
    /// not rise.
    pub fn sample(&mut self) {
        let before = self.namespace.as_mut().and_then(NamespaceCounters::advance);
        for listener in &mut self.listeners {
            listener.read(&mut self.diag);
        }
        let overflows = if self.listeners.iter().any(WatchedListener::needs_namespace_counts) {
            // Read again, so that the interval covers all reads of the listeners.
            let now = self.namespace.as_mut().and_then(NamespaceCounters::current);
            now.zip(before)
                .map(|(now, before)| now.overflows.saturating_sub(before.overflows))
        } else {
            None
        };
        for listener in &mut self.listeners {
            listener.count_overflows(overflows);
        }
        self.record();
        self.listeners.retain(|listener| !listener.is_closed());
    }

    /// Samples now and then once per `interval`, indefinitely. 250 ms is a good interval; the minimum is 1 ms.
    ///
    /// Cancel safe: dropping the future drops the monitor, which sets its gauges to 0.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with time enabled.
    pub async fn run(mut self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
        // No burst of samples after the runtime was blocked.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sample();
        }
    }

    fn record(&mut self) {
        let is_writer = match &mut self.is_writer {
            Some(is_writer) => is_writer.call(self.recorder),
            None => true,
        };
        for listener in &mut self.listeners {
            listener.record(self.recorder, is_writer);
        }
        if let Some(namespace) = &mut self.namespace {
            namespace.record(self.recorder, is_writer);
        }
        if let Some(saturation) = &mut self.saturation {
            saturation.sample_with(self.recorder);
        }
    }
}

/// Returns `base`, or `base#1`, `base#2`, … if that is taken by another socket of a `SO_REUSEPORT` group.
fn unique_label(base: &str, is_taken: impl Fn(&str) -> bool) -> SharedString {
    let mut label = base.to_owned();
    let mut number = 0_u32;
    while is_taken(&label) {
        number += 1;
        label = format!("{base}#{number}");
    }
    SharedString::from_shared(label.into())
}

impl Drop for BacklogMonitor {
    fn drop(&mut self) {
        self.listeners.iter_mut().for_each(WatchedListener::stop);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_label_has_the_smallest_free_number() {
        let taken = ["a", "a#1", "a#3"];
        assert_eq!(&*unique_label("b", |label| taken.contains(&label)), "b");
        assert_eq!(&*unique_label("a", |label| taken.contains(&label)), "a#2");
    }
}
