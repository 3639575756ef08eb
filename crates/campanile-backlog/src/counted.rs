//! What the network namespace counts, as the monitor tells it.

use crate::kernel::{ListenCounts, Namespace};
use crate::metrics::{NamespaceHandles, Source};

/// The counts of the network namespace.
#[derive(Debug)]
pub(crate) struct Counted {
    file: Namespace,
    /// What stood there when the last sample began.
    last: ListenCounts,
    handles: Option<NamespaceHandles>,
    /// What is counted and not yet told to a recorder.
    untold: ListenCounts,
}

impl Counted {
    pub(crate) fn new() -> Option<Self> {
        let opened = Namespace::open().and_then(|mut file| {
            let last = file.read()?;
            Ok(Self {
                file,
                last,
                handles: None,
                untold: ListenCounts::default(),
            })
        });
        opened
            .inspect_err(
                |error| tracing::warn!(%error, "the network namespace's counts of listeners cannot be read"),
            )
            .ok()
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.file
    }

    /// Reads what stands there now, and counts nothing.
    pub(crate) fn now(&mut self) -> Option<ListenCounts> {
        self.file.read().ok()
    }

    /// Reads the counts, and returns those that stood there when the last sample began.
    pub(crate) fn advance(&mut self) -> Option<ListenCounts> {
        let now = self.now()?;
        let before = std::mem::replace(&mut self.last, now);
        self.untold.overflows += now.overflows.saturating_sub(before.overflows);
        self.untold.drops += now.drops.saturating_sub(before.drops);
        Some(before)
    }

    pub(crate) fn record(&mut self, source: Source, is_writer: bool) {
        if !is_writer {
            self.untold = ListenCounts::default();
            return;
        }
        if self.handles.is_none() {
            self.handles = source.resolve(NamespaceHandles::resolve);
        }
        if let Some(handles) = &self.handles {
            let ListenCounts { overflows, drops } = std::mem::take(&mut self.untold);
            // An event of nothing would be a line for whoever sends each.
            for (counter, count) in [(&handles.overflows, overflows), (&handles.drops, drops)] {
                if count > 0 {
                    counter.increment(count);
                }
            }
        }
    }
}
