//! Binds the service's socket.

use std::{
    fmt, io,
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use campanile_listen::ListenerLabel;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

use crate::flags::Address;

/// What tokio asks for by itself.
const BACKLOG: u32 = 1024;

/// The bound socket.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// Removes the file of a unix socket when it is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

/// A socket that could not be bound.
#[derive(Debug)]
pub(crate) struct BindError {
    address: String,
    source: io::Error,
}

impl Bound {
    /// Binds. Needs the runtime that will accept.
    pub(crate) fn new(address: &Address, backlog: Option<NonZeroU32>) -> Result<Self, BindError> {
        let backlog = backlog.map_or(BACKLOG, NonZeroU32::get);
        let bound = match address {
            Address::Tcp(address) => tcp(*address, backlog).map(Self::Tcp),
            Address::Unix(path) => {
                unix(path, backlog).map(|listener| Self::Unix(listener, SocketFile(path.clone())))
            }
        };
        bound.map_err(|source| BindError::new(label(address).as_str(), source))
    }

    /// Spells the bound address.
    pub(crate) fn label(&self) -> io::Result<ListenerLabel> {
        Ok(match self {
            Self::Tcp(listener) => listener.local_addr()?.into(),
            Self::Unix(_, file) => file.0.as_path().into(),
        })
    }
}

fn label(address: &Address) -> ListenerLabel {
    match address {
        Address::Tcp(address) => (*address).into(),
        Address::Unix(path) => path.as_path().into(),
    }
}

fn tcp(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

fn unix(path: &Path, backlog: u32) -> io::Result<UnixListener> {
    // What a process that was killed left behind: nobody answers there any more.
    if UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        std::fs::remove_file(path)?;
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    socket.listen(backlog)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it; then there is nothing left to do.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl BindError {
    pub(crate) fn new(address: impl Into<String>, source: io::Error) -> Self {
        Self {
            address: address.into(),
            source,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
