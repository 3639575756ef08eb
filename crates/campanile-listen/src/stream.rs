//! The stream of an accepted connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The stream of an accepted connection, TCP or unix.
///
/// All methods of `AsyncRead` and `AsyncWrite` are forwarded, including vectored writes.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptedStream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a unix socket.
    Unix(UnixStream),
}

impl AcceptedStream {
    /// Returns the TCP stream, if it is one.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Unix(_) => None,
        }
    }

    /// Returns the unix stream, if it is one. Its `peer_cred` identifies the client's process.
    #[must_use]
    pub fn as_unix(&self) -> Option<&UnixStream> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(stream) => Some(stream),
        }
    }

    /// Returns the local address of a TCP connection: the address that the client connected to, also if the listener is
    /// bound to all addresses.
    ///
    /// # Errors
    ///
    /// Returns the error of getsockname(2), or `Unsupported` for a unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_tcp().map_or_else(no_ip_address, TcpStream::local_addr)
    }

    /// Returns the address of a TCP client.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has disconnected, and `Unsupported` for a unix socket.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_tcp().map_or_else(no_ip_address, TcpStream::peer_addr)
    }

    /// Returns whether unread bytes are in the receive buffer, by a system call: a busy runtime learns of them later.
    /// Closing a connection with unread bytes resets it, so check this before closing one that looks idle.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(self, &mut [0_u8; 1], flags).is_ok_and(|(read, _)| read > 0)
    }

    /// Waits until bytes or the end of the stream have arrived. Cancel safe.
    ///
    /// # Errors
    ///
    /// Returns an error if the runtime shuts down.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Registers a nonblocking TCP socket with the runtime.
    pub(crate) fn from_tcp_fd(socket: OwnedFd) -> io::Result<Self> {
        TcpStream::from_std(socket.into()).map(Self::Tcp)
    }

    /// Registers a nonblocking unix socket with the runtime.
    pub(crate) fn from_unix_fd(socket: OwnedFd) -> io::Result<Self> {
        UnixStream::from_std(socket.into()).map(Self::Unix)
    }
}

fn no_ip_address() -> io::Result<SocketAddr> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "a unix socket has no IP address",
    ))
}

macro_rules! forward {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            AcceptedStream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            AcceptedStream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for AcceptedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_read(cx, buf))
    }
}

impl AsyncWrite for AcceptedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_shutdown(cx))
    }
}

impl AsFd for AcceptedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for AcceptedStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
