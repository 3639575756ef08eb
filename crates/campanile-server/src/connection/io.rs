//! The IO of a connection: below HTTP, and after an upgrade in the hands of whoever asked for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use campanile_lifecycle::{PhaseReached, ShutdownGuard};
use campanile_listen::{CloseReason, CountedIo, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::linger::{Patience, linger};
use super::sniff::{Protocol, Sniffed};
use super::state::{Cut, State};
use crate::limits::{TO_LEAVE, TO_LINGER, TO_TAKE_ANSWERS};

/// What the bytes pass through.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(CountedIo<Socket>),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<CountedIo<Socket>>>),
}

/// An IO that the stop waits for, that notes when it is read, and that ends at the cut when it was upgraded.
#[derive(Debug)]
pub(crate) struct ServedIo {
    /// There until the drop.
    stream: Option<Stream>,
    sniffed: Sniffed,
    protocol: Option<Protocol>,
    state: Arc<State>,
    /// Only of an upgraded one: before, the connection's task waits.
    cutting: Option<PhaseReached>,
    peer_is_done: bool,
    hold: Option<ShutdownGuard>,
}

impl ServedIo {
    pub(crate) fn new(stream: Stream, state: Arc<State>, hold: ShutdownGuard) -> Self {
        Self {
            stream: Some(stream),
            sniffed: Sniffed::default(),
            protocol: None,
            state,
            cutting: None,
            peer_is_done: false,
            hold: Some(hold),
        }
    }

    /// Gives back what was read to tell the protocol.
    pub(crate) fn put_back(&mut self, sniffed: Sniffed) {
        self.sniffed = sniffed;
    }

    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = Some(protocol);
    }

    fn poll_cutting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.state;
        let cutting = self.cutting.get_or_insert_with(|| state.site().handle.cutting());
        Pin::new(cutting).poll(cx)
    }

    /// Tells whether the peer may still be sending to a connection that is cut.
    fn is_cut(&self) -> bool {
        let state = &self.state;
        state.cut() > Cut::No || state.is_upgraded() && state.site().cutting.is_reached()
    }

    /// Tells whether bytes wait in the kernel, encrypted or not.
    pub(super) fn has_unread(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| match stream {
            Stream::Plain(io) => io.get_ref().has_unread(),
            #[cfg(feature = "tls")]
            Stream::Tls(io) => io.get_ref().0.get_ref().has_unread(),
        })
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(stream))
    }
}

impl AsyncRead for ServedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.sniffed.give_to(buf) {
            return Poll::Ready(Ok(()));
        }
        if this.state.is_upgraded() && this.poll_cutting(cx).is_ready() {
            // To whoever reads, the peer is gone.
            return Poll::Ready(Ok(()));
        }
        if this.state.is_to_probe() {
            this.state.probed(this.has_unread());
        }
        let before = buf.filled().len();
        let room = buf.remaining();
        ready!(this.stream()?.poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.state.activity.read();
        } else if room > 0 {
            this.peer_is_done = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.refuse_when_cut()?;
        let written = this.stream()?.poll_write(cx, buf);
        this.note_write(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.refuse_when_cut()?;
        let written = this.stream()?.poll_write_vectored(cx, bufs);
        this.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // TLS takes what it cannot send yet.
        let flushed = this.stream()?.poll_flush(cx);
        this.note_write(&flushed);
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(cx)
    }
}

impl ServedIo {
    #[inline]
    fn note_write<T>(&self, written: &Poll<T>) {
        match written {
            Poll::Ready(_) => self.state.activity.write_went_on(),
            Poll::Pending => self.state.activity.write_blocked(),
        }
    }

    /// Ends those who only write to an upgraded IO, and so never see its end.
    fn refuse_when_cut(&self) -> io::Result<()> {
        if self.state.is_upgraded() && self.state.site().cutting.is_reached() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl Drop for ServedIo {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let state = &self.state;
        state.end();
        let patience = if self.is_cut() {
            if state.is_upgraded() {
                state.site().cut_log.connection(state, 0);
            }
            state.close_reason(CloseReason::Cut);
            Patience::of(TO_LINGER)
        } else if self.protocol == Some(Protocol::Http2) {
            // Its client speaks also while it takes its answers, which a closed socket replies to with a reset. It cannot
            // speak for long, since nobody gives it room.
            Patience {
                silence: TO_LEAVE,
                all: TO_TAKE_ANSWERS,
                cutting: Some(state.site().cutting.clone()),
            }
        } else if state.lingers() {
            Patience::of(TO_LEAVE)
        } else {
            return;
        };
        // Closed with bytes unread the kernel resets the connection, and what was just answered may be lost.
        if let (false, Ok(runtime)) = (self.peer_is_done, tokio::runtime::Handle::try_current()) {
            runtime.spawn(linger(stream, patience, self.hold.take()));
        }
    }
}

macro_rules! forward {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
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
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_shutdown(cx))
    }
}
