//! What the admin port listens on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use campanile_listen::{Bind, Connections, ListenAddress, Listener, Sharing};
use metrics::NoopRecorder;

/// The listener of the admin port: bound already by the standard library, or bound at the start by [`Bind`].
///
/// The first lets the caller fail, and tell the address, before any thread is started.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listen {
    /// A TCP listener.
    Tcp(TcpListener),
    /// A unix listener. Its file is left behind: it belongs to whoever bound it.
    Unix(UnixListener),
    /// An address to bind. A unix socket's file is removed at the end.
    Bind(Bind),
}

impl Listen {
    /// Listens. Connections are not counted: in the sums over listeners they would count as the service's own.
    pub(super) fn listen(self) -> io::Result<Listener> {
        static NOBODY: NoopRecorder = NoopRecorder;
        let listener = match self {
            Self::Tcp(listener) => Listener::from_tcp(listener, Sharing::Exclusive)?,
            Self::Unix(listener) => Listener::from_unix(listener, Sharing::Exclusive)?,
            Self::Bind(bind) => {
                let bound = bind.with_recorder(&NOBODY).bind();
                return bound.map_err(|error| io::Error::new(error.kind(), error));
            }
        };
        let connections = Connections::new(listener.local_address()).with_recorder(&NOBODY);
        Ok(listener.with_connections(connections))
    }
}

impl From<TcpListener> for Listen {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listen {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl From<Bind> for Listen {
    fn from(bind: Bind) -> Self {
        Self::Bind(bind)
    }
}

impl From<ListenAddress> for Listen {
    fn from(address: ListenAddress) -> Self {
        Self::Bind(Bind::new(address))
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        ListenAddress::from(address).into()
    }
}
