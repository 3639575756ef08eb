//! accept(2) on a TCP or unix socket, awaited or nonblocking.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::accept_backoff::AcceptBackoff;
use crate::keepalive::set_keepalive;
use crate::{AcceptedStream, Connections, DescriptorReserve, ListenAddress, PeerAddress};

const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A listening socket and the state of accepting from it.
pub(crate) struct Acceptor {
    socket: ListeningSocket,
    pub(crate) nodelay: bool,
    /// `None` before it is set.
    pub(crate) keepalive: Option<Option<Duration>>,
    backoff: AcceptBackoff,
    /// A descriptor held only to be closed when none are left. See [`Closing`](crate::Closing).
    reserve: Option<File>,
    /// Descriptors for connections, where the listener has some of its own.
    pub(crate) connection_reserve: Option<DescriptorReserve>,
}

enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    /// Takes ownership of a listening socket and makes it nonblocking.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<(Self, ListenAddress)> {
        let invalid = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
        let socket_ref = SockRef::from(&socket);
        if socket_ref.r#type()? != Type::STREAM {
            return Err(invalid("not a stream socket"));
        }
        if !is_listening(&socket_ref)? {
            return Err(invalid("the socket is not listening"));
        }
        let address = ListenAddress::from_system(&socket_ref.local_addr()?)
            .ok_or_else(|| invalid("neither a TCP nor a unix socket"))?;
        socket_ref.set_nonblocking(true)?;
        let socket = match address {
            ListenAddress::Tcp(_) => ListeningSocket::Tcp(TcpListener::from_std(socket.into())?),
            ListenAddress::Unix(_) => ListeningSocket::Unix(UnixListener::from_std(socket.into())?),
        };
        let acceptor = Self {
            socket,
            nodelay: true,
            keepalive: None,
            backoff: AcceptBackoff::new(MIN_PAUSE, MAX_PAUSE),
            reserve: File::open("/dev/null").ok(),
            connection_reserve: None,
        };
        Ok((acceptor, address))
    }

    /// Waits for the next connection, backing off on errors. Cancel safe: nothing is awaited between accepting and
    /// returning.
    ///
    /// # Errors
    ///
    /// If the socket no longer listens.
    pub(crate) async fn accept(
        &mut self,
        connections: &Connections,
    ) -> io::Result<(AcceptedStream, PeerAddress)> {
        loop {
            self.backoff.pause().await;
            if let Some(reserve) = &self.connection_reserve {
                reserve.refill();
            }
            let accepted = poll_fn(|cx| {
                let mut accepted = self.socket.poll_accept(cx);
                while let Poll::Ready(Err(error)) = &accepted
                    && is_out_of_descriptors(error)
                    && self
                        .connection_reserve
                        .as_ref()
                        .is_some_and(DescriptorReserve::release)
                {
                    accepted = self.socket.poll_accept(cx);
                }
                if accepted.is_pending() {
                    self.backoff.on_empty(connections);
                }
                accepted
            });
            match accepted.await {
                Ok((stream, peer)) => {
                    self.backoff.on_accept();
                    self.set_options(&stream);
                    return Ok((stream, peer));
                }
                Err(error) => {
                    self.backoff.on_error(&error, connections);
                    // By shutdown(2), with which another holder of the socket ends it for all.
                    if !is_listening(&SockRef::from(&*self)).unwrap_or(false) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Accepts a connection that is already queued, whether or not the reactor has seen it.
    ///
    /// # Errors
    ///
    /// Returns the error of accept(2), `WouldBlock` if the queue is empty.
    pub(crate) fn try_accept(&self) -> io::Result<(AcceptedStream, PeerAddress)> {
        let (socket, peer) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        let stream = match self.socket {
            ListeningSocket::Tcp(_) => AcceptedStream::from_tcp_fd(socket.into())?,
            ListeningSocket::Unix(_) => AcceptedStream::from_unix_fd(socket.into())?,
        };
        self.set_options(&stream);
        Ok((stream, PeerAddress::from_system(&peer)))
    }

    fn set_options(&self, stream: &AcceptedStream) {
        let Some(stream) = stream.as_tcp() else { return };
        if self.nodelay {
            // Fails only if the client has disconnected, which the first read reports.
            let _ = stream.set_nodelay(true);
        }
        if let Some(Some(idle)) = self.keepalive {
            set_keepalive(stream, idle);
        }
    }

    pub(crate) fn take_reserve(&mut self) -> Option<File> {
        self.reserve.take()
    }
}

impl ListeningSocket {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(AcceptedStream, PeerAddress)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                Ok((AcceptedStream::Tcp(stream), PeerAddress::Tcp(peer)))
            }
            Self::Unix(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                Ok((AcceptedStream::Unix(stream), PeerAddress::from(&peer)))
            }
        })
    }
}

impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.as_fd(),
            ListeningSocket::Unix(listener) => listener.as_fd(),
        }
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    socket.is_listener()
}

/// Other systems cannot query `SO_ACCEPTCONN` through socket2.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn is_listening(_socket: &SockRef<'_>) -> io::Result<bool> {
    Ok(true)
}
