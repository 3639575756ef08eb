//! The counters of the network namespace.

use campanile_metrics::RecorderHandle;

use crate::kernel::{ListenCounts, Netstat};
use crate::metrics::NamespaceHandles;

/// Reads and records the listen counters of the network namespace.
#[derive(Debug)]
pub(crate) struct NamespaceCounters {
    netstat: Netstat,
    /// The counts at the start of the last sample.
    last: ListenCounts,
    handles: Option<NamespaceHandles>,
    /// Counts that no recorder has received yet.
    unrecorded: ListenCounts,
}

impl NamespaceCounters {
    /// Opens the counters; `None`, with a warning, if they cannot be read.
    pub(crate) fn open() -> Option<Self> {
        let opened = Netstat::open().and_then(|mut netstat| {
            let last = netstat.read()?;
            Ok(Self {
                netstat,
                last,
                handles: None,
                unrecorded: ListenCounts::default(),
            })
        });
        opened
            .inspect_err(
                |error| tracing::warn!(%error, "the listen counters of the network namespace cannot be read"),
            )
            .ok()
    }

    pub(crate) fn netstat(&self) -> &Netstat {
        &self.netstat
    }

    /// Reads the current counts without recording them.
    pub(crate) fn current(&mut self) -> Option<ListenCounts> {
        self.netstat.read().ok()
    }

    /// Reads the counts, and returns those of the previous call.
    pub(crate) fn advance(&mut self) -> Option<ListenCounts> {
        let now = self.current()?;
        let before = std::mem::replace(&mut self.last, now);
        self.unrecorded.overflows += now.overflows.saturating_sub(before.overflows);
        self.unrecorded.drops += now.drops.saturating_sub(before.drops);
        Some(before)
    }

    pub(crate) fn record(&mut self, recorder: RecorderHandle, is_writer: bool) {
        if !is_writer {
            self.unrecorded = ListenCounts::default();
            return;
        }
        if self.handles.is_none() {
            self.handles = recorder.with(NamespaceHandles::register);
        }
        if let Some(handles) = &self.handles {
            let ListenCounts { overflows, drops } = std::mem::take(&mut self.unrecorded);
            // Recorders such as statsd send a line per increment, even of 0.
            for (counter, count) in [(&handles.overflows, overflows), (&handles.drops, drops)] {
                if count > 0 {
                    counter.increment(count);
                }
            }
        }
    }
}
