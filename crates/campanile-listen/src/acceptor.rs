//! accept(2) on a socket of any family, awaited or at once.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::shortage::Shortage;
use crate::{Connections, ListenAddress, PeerAddress, Socket};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A listening socket, and what accepting from it needs.
pub(crate) struct Acceptor {
    socket: Listening,
    pub(crate) nodelay: bool,
    shortage: Shortage,
    /// A descriptor that is good for nothing but to be given up. See [`Closing`](crate::Closing).
    reserve: Option<File>,
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    /// Takes over a socket, which from now on does not block.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<(Self, ListenAddress)> {
        let refused = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let known = SockRef::from(&socket);
        if known.r#type()? != Type::STREAM {
            return Err(refused("the socket is none of streams"));
        }
        if !listens(&known)? {
            return Err(refused("the socket does not listen"));
        }
        let address = ListenAddress::from_system(&known.local_addr()?)
            .ok_or_else(|| refused("the socket is neither of TCP nor a unix socket"))?;
        known.set_nonblocking(true)?;
        let socket = match address {
            ListenAddress::Tcp(_) => Listening::Tcp(TcpListener::from_std(socket.into())?),
            ListenAddress::Unix(_) => Listening::Unix(UnixListener::from_std(socket.into())?),
        };
        let acceptor = Self {
            socket,
            nodelay: true,
            shortage: Shortage::new(SHORTEST_PAUSE, LONGEST_PAUSE),
            // Whoever has no such device, or no descriptor left for it, does without.
            reserve: File::open("/dev/null").ok(),
        };
        Ok((acceptor, address))
    }

    /// Waits for the next connection, whatever fails meanwhile. Cancel safe: between accepting and returning nothing
    /// is awaited.
    pub(crate) async fn next(&mut self, connections: &Connections) -> (Socket, PeerAddress) {
        loop {
            self.shortage.pause().await;
            let accepted = poll_fn(|cx| {
                let accepted = self.socket.poll_accept(cx);
                if accepted.is_pending() {
                    self.shortage.emptied(connections);
                }
                accepted
            });
            match accepted.await {
                Ok((socket, peer)) => {
                    self.shortage.accepted();
                    return (self.prepared(socket), peer);
                }
                Err(error) => self.shortage.failed(&error, connections),
            }
        }
    }

    /// Accepts one that waits already, whether or not the reactor has heard of it.
    ///
    /// # Errors
    ///
    /// Passes on what accept(2) says, `WouldBlock` if nobody waits.
    pub(crate) fn try_next(&self) -> io::Result<(Socket, PeerAddress)> {
        let (socket, peer) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        let socket = match self.socket {
            Listening::Tcp(_) => Socket::from_tcp(socket.into()),
            Listening::Unix(_) => Socket::from_unix(socket.into()),
        };
        Ok((self.prepared(socket?), PeerAddress::from_system(&peer)))
    }

    fn prepared(&self, socket: Socket) -> Socket {
        if self.nodelay
            && let Some(stream) = socket.as_tcp()
        {
            // It fails if the client has gone, which the first read will say.
            let _ = stream.set_nodelay(true);
        }
        socket
    }

    pub(crate) fn take_reserve(&mut self) -> Option<File> {
        self.reserve.take()
    }
}

impl Listening {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, PeerAddress)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                Ok((stream.into(), PeerAddress::Tcp(peer)))
            }
            Self::Unix(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                Ok((stream.into(), PeerAddress::from(&peer)))
            }
        })
    }
}

impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Listening::Tcp(listener) => listener.as_fd(),
            Listening::Unix(listener) => listener.as_fd(),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn listens(socket: &SockRef<'_>) -> io::Result<bool> {
    socket.is_listener()
}

/// The others know the option by name at best.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn listens(_socket: &SockRef<'_>) -> io::Result<bool> {
    Ok(true)
}
