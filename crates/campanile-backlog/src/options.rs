//! Options of a watched listener.

/// Options of a listener, for [`BacklogMonitor::watch_with`](crate::BacklogMonitor::watch_with).
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    pub(crate) label: Option<String>,
    pub(crate) requested_limit: Option<u32>,
    pub(crate) shared: bool,
}

impl WatchOptions {
    /// Creates the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the label, by default the address. Equal labels are numbered: `…#1`.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the limit that was passed to listen(2), in connections. The monitor warns if the kernel's limit differs from
    /// it, instead of guessing.
    #[must_use]
    pub fn with_requested_limit(mut self, connections: u32) -> Self {
        self.requested_limit = Some(connections);
        self
    }

    /// Sets whether other processes hold the same socket. Its queue is then recorded only by the process that
    /// [`BacklogMonitor::with_writer`](crate::BacklogMonitor::with_writer) selects.
    #[must_use]
    pub fn with_sharing(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }
}
