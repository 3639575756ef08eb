//! The last sample of one accept queue, for use besides the metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use metrics::SharedString;

/// The accept queue of one listener as it was last sampled. Cloning copies a pointer; reading is an atomic load.
///
/// It keeps neither the listener nor the monitor alive.
#[derive(Clone)]
pub struct Backlog {
    state: Arc<BacklogState>,
}

struct BacklogState {
    label: SharedString,
    is_open: AtomicBool,
    pending: AtomicU32,
    limit: AtomicU32,
    overflows: AtomicU64,
}

impl Backlog {
    pub(crate) fn new(label: SharedString, is_open: bool) -> Self {
        Self {
            state: Arc::new(BacklogState {
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
        &self.state.label
    }

    /// Returns the number of connections waiting to be accepted; 0 once the listener is closed.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.state.pending.load(Ordering::Relaxed)
    }

    /// Returns the limit of the queue, which holds one connection more than that; 0 once the listener is closed.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.state.limit.load(Ordering::Relaxed)
    }

    /// Returns how often the queue was full since the listener is watched; always 0 for unix listeners.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.state.overflows.load(Ordering::Relaxed)
    }

    /// Returns whether the listener was open when it was last sampled, and its monitor still exists.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.is_open.load(Ordering::Relaxed)
    }

    pub(crate) fn shared_label(&self) -> SharedString {
        self.state.label.clone()
    }

    pub(crate) fn set(&self, pending: u32, limit: u32) {
        self.state.pending.store(pending, Ordering::Relaxed);
        self.state.limit.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn add_overflows(&self, count: u32) {
        self.state.overflows.fetch_add(count.into(), Ordering::Relaxed);
    }

    pub(crate) fn close(&self) {
        self.set(0, 0);
        self.state.is_open.store(false, Ordering::Relaxed);
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
