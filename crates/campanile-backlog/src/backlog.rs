//! What was last seen of one listener, for whoever wants it beside the metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use metrics::SharedString;

/// The queue of one listener as it was last sampled. Cloning copies a pointer; reading is an atomic load.
///
/// It keeps nothing open: neither the listener nor the monitor.
#[derive(Clone)]
pub struct Backlog {
    seen: Arc<Seen>,
}

struct Seen {
    label: SharedString,
    is_open: AtomicBool,
    pending: AtomicU32,
    limit: AtomicU32,
    overflows: AtomicU64,
}

impl Backlog {
    pub(crate) fn new(label: SharedString, is_open: bool) -> Self {
        Self {
            seen: Arc::new(Seen {
                label,
                is_open: AtomicBool::new(is_open),
                pending: AtomicU32::new(0),
                limit: AtomicU32::new(0),
                overflows: AtomicU64::new(0),
            }),
        }
    }

    /// Returns the value of the label `listener`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.seen.label
    }

    /// Returns how many connections waited to be accepted; 0 once the listener is closed.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.seen.pending.load(Ordering::Relaxed)
    }

    /// Returns how many may wait; one more than that fits. 0 once the listener is closed.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.seen.limit.load(Ordering::Relaxed)
    }

    /// Returns how often the queue was full for somebody since the listener is watched; always 0 for unix listeners.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.seen.overflows.load(Ordering::Relaxed)
    }

    /// Tells whether the listener was open when it was last sampled, and its monitor still is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.seen.is_open.load(Ordering::Relaxed)
    }

    pub(crate) fn shared_label(&self) -> SharedString {
        self.seen.label.clone()
    }

    pub(crate) fn set(&self, pending: u32, limit: u32) {
        self.seen.pending.store(pending, Ordering::Relaxed);
        self.seen.limit.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn overflowed(&self, times: u32) {
        self.seen.overflows.fetch_add(times.into(), Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.set(0, 0);
        self.seen.is_open.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog")
            .field("label", &self.label())
            .field("is_open", &self.is_open())
            .field("pending", &self.pending())
            .field("limit", &self.limit())
            .field("overflows", &self.overflows())
            .finish()
    }
}
