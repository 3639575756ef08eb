//! A listener that keeps accepting whatever fails.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::time::Duration;

use crate::acceptor::Acceptor;
use crate::eviction::Eviction;
use crate::socket_file::SocketFile;
use crate::{
    AcceptedStream, Bind, BindError, Closing, Connections, CountedIo, DescriptorReserve, Drained,
    DrainingListener, ListenAddress, ListenerLabel, PeerAddress,
};

/// Whether other processes or listeners hold the same listening socket.
///
/// It decides how a listener closes: changes to a socket affect every holder of a descriptor of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// No other descriptor of this socket exists. True of sockets bound here, also with `SO_REUSEPORT`, where each member
    /// of the group is a socket of its own.
    Exclusive,
    /// Others accept from this socket, or will: it was inherited (systemd, Einhorn, an older process), handed over, or
    /// duplicated for another worker. Choose this if in doubt.
    Shared,
}

/// A listening TCP or unix socket whose connections are counted and limited.
///
/// Bound with [`Bind`] or [`Listener::bind`], or made from a bound socket. It needs a tokio runtime with I/O and time
/// enabled. Dropping it closes the socket, which resets the connections in its accept queue; [`close`](Self::close)
/// serves them first.
pub struct Listener {
    acceptor: Acceptor,
    address: ListenAddress,
    sharing: Sharing,
    connections: Connections,
    file: Option<SocketFile>,
    backlog: Option<u32>,
    eviction: Option<Eviction>,
}

/// An accepted connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The stream. It counts as an open connection until it is dropped.
    pub io: CountedIo<AcceptedStream>,
    /// The address of the client.
    pub peer: PeerAddress,
}

impl Listener {
    /// Binds an address, with default options unless it is a [`Bind`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Bind::bind`].
    pub fn bind(address: impl Into<Bind>) -> Result<Self, BindError> {
        address.into().bind()
    }

    /// Takes ownership of a listening socket. It becomes nonblocking for every holder.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket is not listening, if it is not a TCP or unix stream socket, or if the runtime
    /// cannot register it.
    pub fn from_fd(socket: OwnedFd, sharing: Sharing) -> io::Result<Self> {
        Self::build(socket, sharing, None)
    }

    /// Takes ownership of a TCP listener of the standard library.
    ///
    /// # Errors
    ///
    /// Returns an error if the runtime cannot register it.
    pub fn from_tcp(listener: std::net::TcpListener, sharing: Sharing) -> io::Result<Self> {
        Self::from_fd(listener.into(), sharing)
    }

    /// Takes ownership of a unix listener of the standard library. Its file is not removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the runtime cannot register it.
    pub fn from_unix(listener: StdUnixListener, sharing: Sharing) -> io::Result<Self> {
        Self::from_fd(listener.into(), sharing)
    }

    pub(crate) fn build(socket: OwnedFd, sharing: Sharing, file: Option<SocketFile>) -> io::Result<Self> {
        let (acceptor, address) = Acceptor::new(socket)?;
        Ok(Self {
            acceptor,
            sharing,
            connections: Connections::new(&address),
            address,
            file,
            backlog: None,
            eviction: None,
        })
    }

    /// Sets the handle that counts the connections and has their label, limit and recorder. By default connections are
    /// counted under the listener's address, without a limit.
    ///
    /// Use one handle per listener: two listeners with the same handle would wait for each other at the limit.
    #[must_use]
    pub fn with_connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// Sets whether others hold the socket. Set [`Sharing::Shared`] on a listener that was bound here and then handed
    /// over to another process: it then closes without touching the socket, and the file of a unix socket is kept.
    #[must_use]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        if sharing == Sharing::Shared
            && let Some(file) = self.file.take()
        {
            file.keep();
        }
        self
    }

    /// Sets `TCP_NODELAY` on accepted TCP connections, so that small responses are sent at once. On by default.
    #[must_use]
    pub fn with_nodelay(mut self, nodelay: bool) -> Self {
        self.acceptor.nodelay = nodelay;
        self
    }

    /// Sets descriptors that are kept for its connections: an accept that fails because the process has none left is retried
    /// with one of them. The caller returns the descriptors of ended connections with [`DescriptorReserve::close`]. For a port
    /// that must respond whatever the service does.
    #[must_use]
    pub fn with_descriptor_reserve(mut self, reserve: DescriptorReserve) -> Self {
        self.acceptor.connection_reserve = Some(reserve);
        self
    }

    /// Sets what makes room at the connection limit: while a client waits in the accept queue and no more connections may be
    /// open, `evict` is called to have one of them closed. It returns whether one is going to close, and is called again if
    /// none does within 100 ms; if it returns false, again after 10 ms.
    ///
    /// Without it, silent clients that hold all connections keep every other client out.
    #[must_use]
    pub fn with_eviction(mut self, evict: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.eviction = Some(Eviction::new(evict));
        self
    }

    /// Sets after how long without a packet the kernel probes whether a TCP client is still there, so that a connection
    /// whose client has vanished without closing it fails after twice that time; `None` never probes. Not set by default,
    /// as in the kernel. Rounded up to a second.
    #[must_use]
    pub fn with_keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.acceptor.keepalive = Some(idle.into());
        self
    }

    /// Returns the time of [`with_keepalive`](Self::with_keepalive), and `None` if neither that nor
    /// [`Bind::with_keepalive`] was called.
    #[must_use]
    pub fn keepalive(&self) -> Option<Option<Duration>> {
        self.acceptor.keepalive
    }

    /// Returns the label of its metrics.
    #[must_use]
    pub fn label(&self) -> &ListenerLabel {
        self.connections.label()
    }

    /// Returns the address that it is bound to, with the port that the system chose.
    #[must_use]
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }

    /// Returns the handle that counts its connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Returns the size of the accept queue that the kernel granted; `None` if the listener was not bound here.
    #[must_use]
    pub fn backlog(&self) -> Option<u32> {
        self.backlog
    }

    pub(crate) fn set_backlog(&mut self, backlog: u32) {
        self.backlog = Some(backlog);
    }

    /// Returns whether others hold the socket.
    #[must_use]
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Waits for a permit under the limit, then for a connection.
    ///
    /// It never fails. Errors of a single connection are counted, and the next is accepted. On any other error, such as a
    /// lack of descriptors or memory, it pauses for 100 ms at first and up to a second, and tries again; clients wait in
    /// the accept queue in the meantime. The start and the end of such an outage are logged.
    ///
    /// Cancel safe: a dropped `accept` releases its permit and has accepted no connection.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            // A socket that no longer listens fails each time, after the pause of the previous failure.
            if let Ok(accepted) = self.accept_or_fail().await {
                return accepted;
            }
        }
    }

    /// Waits as [`accept`](Self::accept) does, but fails if the socket no longer listens, so that the process can end rather
    /// than be deaf: another holder of the socket has called shutdown(2). Only on Linux and FreeBSD.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// The error of accept(2).
    pub async fn accept_or_fail(&mut self) -> io::Result<Accepted> {
        let permit = match &self.eviction {
            None => self.connections.ready().await,
            Some(eviction) => eviction.ready(&self.connections, &self.acceptor).await,
        };
        let (stream, peer) = self.acceptor.accept(&self.connections).await?;
        Ok(Accepted {
            io: permit.wrap(stream),
            peer,
        })
    }

    /// Splits the listener for a server that can only stop accepting: into the listener to pass to it, and the future
    /// that starts its graceful shutdown.
    ///
    /// When `signal` resolves, the listener closes as [`close`](Self::close) does while the server accepts from it.
    /// [`Drained`] resolves 200 ms after the last connection was accepted. Without that grace period hyper would close
    /// connections whose request has not arrived yet.
    pub fn drain_when(
        self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> (DrainingListener, Drained) {
        DrainingListener::new(self, signal)
    }

    /// Starts to close the listener: lifts the connection limit, and removes the file of a unix socket bound here and
    /// refuses new clients. [`Closing::accept`] returns the connections in the accept queue.
    pub fn close(self) -> Closing {
        self.connections.lift_limit();
        drop(self.file);
        Closing::new(self.acceptor, self.address, self.sharing, self.connections)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.acceptor.as_fd()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("label", &self.label().as_str())
            .field("sharing", &self.sharing)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
