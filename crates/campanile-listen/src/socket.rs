//! One accepted stream, of TCP or of a unix socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The stream of an accepted connection.
///
/// Everything is forwarded, vectored writes included.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Returns the stream, if it is one of TCP.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.stream {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(_) => None,
        }
    }

    /// Returns the stream, if it is one of a unix socket: `peer_cred` tells whose process the client is.
    #[must_use]
    pub fn as_unix(&self) -> Option<&UnixStream> {
        match &self.stream {
            Stream::Tcp(_) => None,
            Stream::Unix(stream) => Some(stream),
        }
    }

    /// Returns the local IP address and port of a TCP connection: of a listener that is bound to all addresses, the
    /// one that the client has connected to.
    ///
    /// # Errors
    ///
    /// Fails if the kernel does not tell, and with `Unsupported` for a unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_tcp().map_or_else(no_ip_address, TcpStream::local_addr)
    }

    /// Returns the IP address and port of a TCP client.
    ///
    /// # Errors
    ///
    /// Fails if the client has gone already, and with `Unsupported` for a unix socket.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_tcp().map_or_else(no_ip_address, TcpStream::peer_addr)
    }

    /// Takes over a stream that does not block.
    pub(crate) fn from_tcp(socket: OwnedFd) -> io::Result<Self> {
        TcpStream::from_std(socket.into()).map(Self::from)
    }

    /// Takes over a stream that does not block.
    pub(crate) fn from_unix(socket: OwnedFd) -> io::Result<Self> {
        UnixStream::from_std(socket.into()).map(Self::from)
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        let stream = Stream::Tcp(stream);
        Self { stream }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        let stream = Stream::Unix(stream);
        Self { stream }
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
        match &mut $self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
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
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_shutdown(cx))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
