//! Why a descriptor cannot be watched.

use std::{error::Error, fmt, io};

/// A descriptor that [`BacklogMonitor::watch`](crate::BacklogMonitor::watch) refuses.
#[derive(Debug)]
pub struct WatchError {
    kind: WatchErrorKind,
    source: Option<io::Error>,
}

/// What is wrong with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchErrorKind {
    /// It is closed.
    Closed,
    /// It is no socket.
    NotASocket,
    /// It is a socket of datagrams, which has no connections to accept.
    NotAStream,
    /// It is a connection, and not a listener that accepts them.
    Connected,
    /// It may be bound, but does not listen yet.
    NotListening,
    /// It is of a family or protocol whose queue the kernel does not tell.
    Unsupported,
    /// It is a unix socket of which this network namespace knows nothing, or the kernel is without `unix_diag`.
    NotFound,
    /// This monitor watches that very socket already.
    AlreadyWatched,
    /// The system said something else, which is the error's source.
    System,
}

impl WatchError {
    /// Returns what is wrong with the descriptor.
    #[must_use]
    pub const fn kind(&self) -> WatchErrorKind {
        self.kind
    }
}

#[cfg(target_os = "linux")]
impl WatchError {
    pub(crate) fn from_io(error: io::Error) -> Self {
        let kind = match error.raw_os_error() {
            Some(libc::EBADF) => WatchErrorKind::Closed,
            Some(libc::ENOTSOCK) => WatchErrorKind::NotASocket,
            Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT) => WatchErrorKind::Unsupported,
            _ => WatchErrorKind::System,
        };
        Self {
            kind,
            source: Some(error),
        }
    }
}

impl From<WatchErrorKind> for WatchError {
    fn from(kind: WatchErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            WatchErrorKind::Closed => "the descriptor is closed",
            WatchErrorKind::NotASocket => "the descriptor is no socket",
            WatchErrorKind::NotAStream => "the socket is one of datagrams, not of connections",
            WatchErrorKind::Connected => "the socket is a connection, not a listener",
            WatchErrorKind::NotListening => "the socket does not listen",
            WatchErrorKind::Unsupported => "the kernel tells nothing of queues of sockets of this kind",
            WatchErrorKind::NotFound => {
                "the unix socket is of another network namespace, or the kernel has no unix_diag"
            }
            WatchErrorKind::AlreadyWatched => "the socket is watched already",
            WatchErrorKind::System => "the socket cannot be asked for its queue",
        })
    }
}

impl Error for WatchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
