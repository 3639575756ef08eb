//! A listener that never gives up accepting.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;

use crate::acceptor::Acceptor;
use crate::bind::OwnPath;
use crate::{
    Bind, BindError, Closing, Connections, CountedIo, ListenAddress, ListenerLabel, PeerAddress, Socket,
};

/// Whether anybody else holds the listening socket.
///
/// It decides how a listener may be closed: what is done to a socket is done to it for all who hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// Nobody else has a descriptor of this socket. It holds for what was bound here, also with `SO_REUSEPORT`: each
    /// of a group is a socket of its own.
    Own,
    /// Others accept from this very socket, or will: it was inherited (systemd, Einhorn, an older process), handed
    /// over, or duplicated for another worker. If in doubt, this.
    Shared,
}

/// A listening socket of TCP or of a unix socket, whose connections are counted and limited.
///
/// Bound by [`Bind`] or [`Listener::bind`], or taken over from elsewhere. It has to be made inside a tokio runtime
/// with I/O and time enabled. Dropping it closes the socket, which resets whoever waits in its queue:
/// [`close`](Self::close) is how to end it without loss.
pub struct Listener {
    acceptor: Acceptor,
    address: ListenAddress,
    sharing: Sharing,
    connections: Connections,
    path: Option<OwnPath>,
    backlog: Option<u32>,
}

/// An accepted connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The stream. It counts as an open connection until it is dropped.
    pub io: CountedIo<Socket>,
    /// Who is on the other side.
    pub peer: PeerAddress,
}

impl Listener {
    /// Binds to an address with the defaults of [`Bind`].
    ///
    /// # Errors
    ///
    /// Fails as [`Bind::bind`] does.
    pub fn bind(address: impl Into<ListenAddress>) -> Result<Self, BindError> {
        Bind::new(address).bind()
    }

    /// Takes over a listening socket. It is switched to not blocking, for everybody who holds it.
    ///
    /// # Errors
    ///
    /// Fails if it does not listen, if it is not a stream socket of TCP or unix, and if the runtime cannot watch it.
    pub fn from_fd(socket: OwnedFd, sharing: Sharing) -> io::Result<Self> {
        Self::build(socket, sharing, None)
    }

    /// Takes over a TCP listener of the standard library.
    ///
    /// # Errors
    ///
    /// Fails if the runtime cannot watch it.
    pub fn from_tcp(listener: std::net::TcpListener, sharing: Sharing) -> io::Result<Self> {
        Self::from_fd(listener.into(), sharing)
    }

    /// Takes over a unix listener of the standard library. Its file is left alone: it belongs to whoever bound it.
    ///
    /// # Errors
    ///
    /// Fails if the runtime cannot watch it.
    pub fn from_unix(listener: StdUnixListener, sharing: Sharing) -> io::Result<Self> {
        Self::from_fd(listener.into(), sharing)
    }

    pub(crate) fn build(socket: OwnedFd, sharing: Sharing, path: Option<OwnPath>) -> io::Result<Self> {
        let (acceptor, address) = Acceptor::new(socket)?;
        Ok(Self {
            acceptor,
            sharing,
            connections: Connections::new(&address),
            address,
            path,
            backlog: None,
        })
    }

    /// Counts its connections by this handle, which has the label, the limit and the recorder. Without it they are
    /// counted under the listener's address, without limit.
    ///
    /// A handle serves one listener. Two that shared one would wait for each other at the limit.
    #[must_use]
    pub fn with_connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// Says who holds the socket from now on. Give a listener that was bound here and then handed over to another process
    /// [`Sharing::Shared`]: it is let go when it closes, and the file of a unix socket stays for those who have it.
    #[must_use]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        if sharing == Sharing::Shared
            && let Some(path) = self.path.take()
        {
            path.keep();
        }
        self
    }

    /// Says whether accepted TCP connections get `TCP_NODELAY`, so that small answers leave at once. They do by
    /// default.
    #[must_use]
    pub fn with_nodelay(mut self, nodelay: bool) -> Self {
        self.acceptor.nodelay = nodelay;
        self
    }

    /// Returns the label that its metrics have.
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

    /// Returns how many clients may wait in the kernel's queue, if it was bound here: what was asked for, or what the
    /// system has cut that to.
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

    /// Waits for a place under the limit, then for a connection.
    ///
    /// It never fails. What accept(2) says of a single connection is counted and passed over. Where descriptors or
    /// memory are missing, or anything else is wrong, it pauses, 100 ms at first and up to a second, and goes on;
    /// clients wait in the kernel's queue meanwhile. Such a spell is logged when it begins and when it ends.
    ///
    /// Cancel safe: a dropped `accept` gives its place back and has accepted nobody.
    pub async fn accept(&mut self) -> Accepted {
        let slot = self.connections.ready().await;
        let (socket, peer) = self.acceptor.next(&self.connections).await;
        Accepted {
            io: slot.wrap(socket),
            peer,
        }
    }

    /// Begins to close it: lifts the limit of connections, removes the own file of a unix socket and refuses new
    /// clients there. What waits in the queue comes out of [`Closing::accept`].
    #[must_use = "clients still wait in the queue, and are reset if it is dropped"]
    pub fn close(self) -> Closing {
        self.connections.lift_limit();
        drop(self.path);
        Closing::new(self.acceptor, self.address, self.sharing, self.connections)
    }
}

impl Accepted {
    pub(crate) fn new(io: CountedIo<Socket>, peer: PeerAddress) -> Self {
        Self { io, peer }
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
