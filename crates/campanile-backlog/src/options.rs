//! What a monitor may be told of a listener.

/// What [`BacklogMonitor::watch_with`](crate::BacklogMonitor::watch_with) is told of a listener.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    pub(crate) label: Option<String>,
    pub(crate) requested: Option<u32>,
    pub(crate) shared: bool,
}

impl WatchOptions {
    /// Creates options that say nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spells the listener so, instead of by its address. What is spelt alike gets a number: `…#1`.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says which limit was given to `listen(2)`, in connections. The monitor then warns if the kernel made another of
    /// it, and does not guess.
    #[must_use]
    pub fn with_requested_limit(mut self, connections: u32) -> Self {
        self.requested = Some(connections);
        self
    }

    /// Says whether other processes hold the very same socket: then only the process that
    /// [`BacklogMonitor::with_writer`](crate::BacklogMonitor::with_writer) names records it, since all see one queue.
    #[must_use]
    pub fn with_sharing(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }
}
