//! What is known of one connection, shared by its IO and by whoever controls it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::OwnedSemaphorePermit;

use crate::Connections;
use crate::metrics::Handles;

const UPGRADED: u8 = 1;
const ENDED: u8 = 2;

/// How a connection ended: the label `close` of `http_server_connections_total`.
///
/// The reasons are ordered, and the gravest that was seen or set stands: a connection that was told to drain
/// and then was reset by its client ended by [`Error`](Self::Error).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// It came to its end: either side closed it and nothing failed.
    #[default]
    Done,
    /// It was closed because the server drains.
    Drained,
    /// A read or a write failed, for example because the client reset the connection.
    Error,
    /// The server cut it off.
    Cut,
}

/// A handle to one open connection, for code that knows more of it than its bytes tell.
///
/// Cloning copies a pointer. The handle does not keep the connection open: after the IO was dropped it does
/// nothing.
#[derive(Clone)]
pub struct ConnectionControl {
    state: Arc<State>,
}

struct State {
    connections: Connections,
    /// What counted this connection in, and so must count it out: handles of the no-op recorder, if none was
    /// installed.
    handles: Arc<Handles>,
    close: AtomicU8,
    marks: AtomicU8,
}

/// Lives in the IO and counts the connection out when that is dropped.
pub(crate) struct Guard {
    control: ConnectionControl,
    // Dropped after the connection was counted out, so that no gauge ever passes the limit.
    _permit: Option<OwnedSemaphorePermit>,
}

impl CloseReason {
    pub(crate) const ALL: [Self; 4] = [Self::Done, Self::Drained, Self::Error, Self::Cut];

    /// Returns the label's value: `done`, `drained`, `error` or `cut`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Drained => "drained",
            Self::Error => "error",
            Self::Cut => "cut",
        }
    }
}

impl ConnectionControl {
    /// Says why the connection is going to end. The gravest reason stands, so that a later `Done` takes
    /// nothing back.
    pub fn set_close_reason(&self, reason: CloseReason) {
        self.state.close.fetch_max(reason as u8, Ordering::Relaxed);
    }

    /// Says that the connection left HTTP/1 by an upgrade. It is counted as upgraded until its IO is dropped;
    /// saying it again changes nothing.
    pub fn upgraded(&self) {
        // Against the end of the connection on another thread: whichever comes first, +1 and -1 come in pairs.
        if self.state.marks.fetch_or(UPGRADED, Ordering::AcqRel) == 0 {
            self.state.handles.upgraded.increment(1.0);
        }
    }

    /// Tells whether the connection left HTTP/1 by an upgrade.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.state.marks.load(Ordering::Acquire) & UPGRADED != 0
    }

    /// Tells whether the connection's IO still exists.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.marks.load(Ordering::Acquire) & ENDED == 0
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

impl Guard {
    pub(crate) fn new(connections: Connections, permit: Option<OwnedSemaphorePermit>) -> Self {
        let handles = connections.handles();
        connections.count_in();
        handles.open.increment(1.0);
        let state = State {
            connections,
            handles,
            close: AtomicU8::new(CloseReason::Done as u8),
            marks: AtomicU8::new(0),
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

impl Drop for Guard {
    fn drop(&mut self) {
        let state = &*self.control.state;
        if state.marks.fetch_or(ENDED, Ordering::AcqRel) & UPGRADED != 0 {
            state.handles.upgraded.decrement(1.0);
        }
        state.handles.open.decrement(1.0);
        let close = state.close.load(Ordering::Relaxed);
        let reason = CloseReason::ALL[usize::from(close)];
        // The end is an event of now: it goes to the recorder of now, also when there was none at the start.
        state.connections.handles().closed(reason).increment(1);
        state.connections.count_out();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.control.fmt(f)
    }
}
