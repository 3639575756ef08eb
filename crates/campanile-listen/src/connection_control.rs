//! The state of one connection, shared by its IO and its control handles.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::OwnedSemaphorePermit;

use crate::metrics::ListenerMetrics;
use crate::{CloseReason, Connections};

const UPGRADED: u8 = 1;
const ENDED: u8 = 2;

/// A handle to one open connection, for code that knows more about it than its bytes show.
///
/// Cloning copies a pointer. The handle does not keep the connection open; after the IO is dropped its setters have no
/// effect.
#[derive(Clone)]
pub struct ConnectionControl {
    state: Arc<ConnectionState>,
}

struct ConnectionState {
    connections: Connections,
    /// Whether the gauges were incremented. Only then are they decremented: a recorder may be installed in between.
    counted: bool,
    close: AtomicU8,
    flags: AtomicU8,
}

impl ConnectionControl {
    /// Sets why the connection is going to end. The most severe reason is kept, so a later `Done` changes nothing.
    pub fn set_close_reason(&self, reason: CloseReason) {
        self.state.close.fetch_max(reason as u8, Ordering::Relaxed);
    }

    /// Marks the connection as upgraded from HTTP/1. It counts as upgraded until its IO is dropped; further calls have no
    /// effect.
    pub fn set_upgraded(&self) {
        // Races with the end of the connection on another thread; either order keeps increments and decrements paired.
        if self.state.flags.fetch_or(UPGRADED, Ordering::AcqRel) == 0
            && let Some(metrics) = self.state.counted_metrics()
        {
            metrics.upgraded.increment(1.0);
        }
    }

    /// Returns whether the connection was upgraded from HTTP/1.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.state.flags.load(Ordering::Acquire) & UPGRADED != 0
    }

    /// Returns whether the connection's IO still exists.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.flags.load(Ordering::Acquire) & ENDED == 0
    }
}

impl ConnectionState {
    fn counted_metrics(&self) -> Option<&ListenerMetrics> {
        self.counted.then(|| self.connections.metrics()).flatten()
    }
}

impl fmt::Debug for ConnectionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionControl")
            .field("listener", &self.state.connections.label().as_str())
            .field("open", &self.is_open())
            .field("upgraded", &self.is_upgraded())
            .finish()
    }
}

/// Counts a connection as open from its creation until it is dropped with the IO.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    control: ConnectionControl,
    // Dropped after `drop` below has run, so that the gauge never exceeds the limit.
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionGuard {
    pub(crate) fn new(connections: Connections, permit: Option<OwnedSemaphorePermit>) -> Self {
        connections.increment_open();
        let metrics = connections.metrics();
        if let Some(metrics) = metrics {
            metrics.open.increment(1.0);
        }
        let state = ConnectionState {
            counted: metrics.is_some(),
            connections,
            close: AtomicU8::new(CloseReason::Done as u8),
            flags: AtomicU8::new(0),
        };
        Self {
            control: ConnectionControl {
                state: Arc::new(state),
            },
            _permit: permit,
        }
    }

    pub(crate) fn control(&self) -> &ConnectionControl {
        &self.control
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let state = &*self.control.state;
        let was_upgraded = state.flags.fetch_or(ENDED, Ordering::AcqRel) & UPGRADED != 0;
        if let Some(metrics) = state.counted_metrics() {
            if was_upgraded {
                metrics.upgraded.decrement(1.0);
            }
            metrics.open.decrement(1.0);
        }
        // Counted even if no recorder was installed when the connection began: its end happens now.
        if let Some(metrics) = state.connections.metrics() {
            let close = state.close.load(Ordering::Relaxed);
            metrics.closed(CloseReason::ALL[usize::from(close)]).increment(1);
        }
        state.connections.decrement_open();
    }
}
