//! The error of watching a descriptor.

use std::{error::Error, fmt, io};

/// An error of [`BacklogMonitor::watch`](crate::BacklogMonitor::watch).
#[derive(Debug)]
pub struct WatchError {
    kind: WatchErrorKind,
    source: Option<io::Error>,
}

/// The reason why a descriptor cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchErrorKind {
    /// The descriptor is closed.
    Closed,
    /// The descriptor is not a socket.
    NotASocket,
    /// The socket is a datagram socket, which has no connections.
    NotAStream,
    /// The socket is a connection, not a listener.
    Connected,
    /// The socket is not listening yet.
    NotListening,
    /// The kernel does not expose the accept queue of this address family or protocol.
    Unsupported,
    /// The unix socket is not in this network namespace, or the kernel lacks `unix_diag`.
    NotFound,
    /// The monitor already watches this socket.
    AlreadyWatched,
    /// Another error of the system, which is the source.
    System,
}

impl WatchError {
    /// Returns the reason.
    #[must_use]
    pub const fn kind(&self) -> WatchErrorKind {
        self.kind
    }

    #[cfg(target_os = "linux")]
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
            WatchErrorKind::Closed => "the file descriptor is closed",
            WatchErrorKind::NotASocket => "the file descriptor is not a socket",
            WatchErrorKind::NotAStream => "the socket is a datagram socket",
            WatchErrorKind::Connected => "the socket is a connection, not a listener",
            WatchErrorKind::NotListening => "the socket is not listening",
            WatchErrorKind::Unsupported => "the accept queue of this socket type cannot be inspected",
            WatchErrorKind::NotFound => {
                "the unix socket is in another network namespace, or the kernel lacks unix_diag"
            }
            WatchErrorKind::AlreadyWatched => "the socket is already watched",
            WatchErrorKind::System => "the accept queue could not be read",
        })
    }
}

impl Error for WatchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
