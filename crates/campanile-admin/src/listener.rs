//! The listener of the admin port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use campanile_listen::{Bind, Connections, ListenAddress, Listener, Sharing};
use metrics::NoopRecorder;

/// The listener of the admin port: already bound with the standard library, or a [`Bind`] that is bound when the port starts.
///
/// A bound listener lets the caller handle errors and learn the address before a thread is started.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdminListener {
    /// A bound TCP listener.
    Tcp(TcpListener),
    /// A bound unix listener. Its file is not removed.
    Unix(UnixListener),
    /// An address to bind. The file of a unix socket is removed at the end.
    Bind(Bind),
}

impl AdminListener {
    /// Binds if necessary and registers the listener with the current runtime.
    ///
    /// Connections are recorded to a no-op recorder: sums over all listeners should cover those of the service only.
    pub(crate) fn into_listener(self) -> io::Result<Listener> {
        static NOOP: NoopRecorder = NoopRecorder;
        let listener = match self {
            Self::Tcp(listener) => Listener::from_tcp(listener, Sharing::Exclusive)?,
            Self::Unix(listener) => Listener::from_unix(listener, Sharing::Exclusive)?,
            Self::Bind(bind) => {
                let bound = bind.with_recorder(&NOOP).bind();
                return bound.map_err(|error| io::Error::new(error.kind(), error));
            }
        };
        let connections = Connections::new(listener.local_address()).with_recorder(&NOOP);
        Ok(listener.with_connections(connections))
    }
}

impl From<TcpListener> for AdminListener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for AdminListener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl From<Bind> for AdminListener {
    fn from(bind: Bind) -> Self {
        Self::Bind(bind)
    }
}

impl From<ListenAddress> for AdminListener {
    fn from(address: ListenAddress) -> Self {
        Self::Bind(Bind::new(address))
    }
}

impl From<SocketAddr> for AdminListener {
    fn from(address: SocketAddr) -> Self {
        ListenAddress::from(address).into()
    }
}
