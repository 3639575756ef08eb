//! The IO of a connection, used by HTTP and, after an upgrade, by the handler.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use campanile_lifecycle::{PhaseReached, ShutdownGuard};
use campanile_listen::{AcceptedStream, CloseReason, CountedIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;
#[cfg(feature = "tls")]
use tokio_util::either::Either;

use super::error_response::ErrorResponse;
use super::sniff::{Protocol, Sniffed};
use super::state::{ConnectionState, ShutdownStage};
use crate::timeouts::{ABORT_LINGER, CLOSING_GRACE, HTTP2_LINGER};

/// The stream below HTTP. TLS is boxed, since it is large and its handshake allocates anyway.
#[cfg(feature = "tls")]
pub(super) type TransportStream =
    Either<CountedIo<AcceptedStream>, Box<TlsStream<CountedIo<AcceptedStream>>>>;
#[cfg(not(feature = "tls"))]
pub(super) type TransportStream = CountedIo<AcceptedStream>;

/// An IO that holds a shutdown guard, records reads and writes, and ends at the cut if it is upgraded.
#[derive(Debug)]
pub(crate) struct ConnectionIo {
    /// `Some` until the drop.
    stream: Option<TransportStream>,
    sniffed: Sniffed,
    protocol: Option<Protocol>,
    state: Arc<ConnectionState>,
    /// Polled only after an upgrade; before, the connection's task watches for the cut.
    cutting: Option<PhaseReached>,
    read_closed: bool,
    /// Whether nothing is pending: the last call was a flush, which hyper makes when its buffer is empty.
    flushed: bool,
    error_response: Option<ErrorResponse>,
    guard: Option<ShutdownGuard>,
}

/// How long to read on before a connection is closed.
struct Linger {
    silence: Duration,
    total: Duration,
    cutting: Option<PhaseReached>,
}

impl ConnectionIo {
    pub(super) fn new(stream: TransportStream, state: Arc<ConnectionState>, guard: ShutdownGuard) -> Self {
        Self {
            stream: Some(stream),
            sniffed: Sniffed::default(),
            protocol: None,
            state,
            cutting: None,
            read_closed: false,
            flushed: true,
            error_response: None,
            guard: Some(guard),
        }
    }

    /// Puts back the bytes that were read to identify the protocol.
    pub(super) fn put_back(&mut self, sniffed: Sniffed) {
        self.sniffed = sniffed;
    }

    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = Some(protocol);
    }

    /// Returns whether bytes wait in the kernel, encrypted or not.
    pub(super) fn has_unread(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| socket(stream).has_unread())
    }

    fn poll_cutting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.state;
        let cutting = self
            .cutting
            .get_or_insert_with(|| state.context().handle.cutting());
        Pin::new(cutting).poll(cx)
    }

    fn is_upgraded_and_cut(&self) -> bool {
        self.state.is_upgraded() && self.state.context().cutting.is_reached()
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TransportStream>> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(stream))
    }

    #[inline]
    fn record_write<T>(&self, written: &Poll<T>) {
        match written {
            Poll::Ready(_) => self.state.activity.record_write_progress(),
            Poll::Pending => self.state.activity.record_write_blocked(),
        }
    }

    #[inline]
    fn follow_upload(&self, read: Option<&[u8]>) {
        if self.protocol == Some(Protocol::Http1) && !self.state.is_upgraded() {
            self.state.upload.on_read(read.unwrap_or_default());
        }
    }

    /// Restarts the time for the request body when the client is asked for it.
    #[inline]
    fn record_continue(&self, head: &[u8]) {
        if self.state.upload.is_incomplete() && head.starts_with(b"HTTP/1.1 100 ") {
            self.state.activity.record_received();
        }
    }

    /// Returns the response to write in place of hyper's own to an invalid head, which `head` may begin.
    #[inline]
    fn error_response(&mut self, head: &[u8]) -> Option<(&mut ErrorResponse, Pin<&mut TransportStream>)> {
        let may_be = std::mem::take(&mut self.flushed) && self.state.activity.head_began().is_some();
        if may_be && self.is_refusing() {
            self.error_response = ErrorResponse::in_place_of(head, &self.state.context().limits);
        }
        let response = self.error_response.as_mut()?;
        Some((response, Pin::new(self.stream.as_mut()?)))
    }

    #[cold]
    fn is_refusing(&self) -> bool {
        self.protocol == Some(Protocol::Http1)
            && self.state.activity.in_flight() == 0
            && !self.state.is_upgraded()
    }

    /// Returns an error once an upgraded IO is cut, for handlers that only write.
    fn check_writable(&self) -> io::Result<()> {
        if self.is_upgraded_and_cut() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

#[cfg(feature = "tls")]
fn socket(stream: &TransportStream) -> &AcceptedStream {
    match stream {
        Either::Left(io) => io.get_ref(),
        Either::Right(tls) => tls.get_ref().0.get_ref(),
    }
}

#[cfg(not(feature = "tls"))]
fn socket(stream: &TransportStream) -> &AcceptedStream {
    stream.get_ref()
}

impl AsyncRead for ConnectionIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.sniffed.read_into(buf) {
            this.follow_upload(buf.filled().get(before..));
            return Poll::Ready(Ok(()));
        }
        if this.state.is_upgraded() && this.poll_cutting(cx).is_ready() {
            // An end of file, to the handler.
            return Poll::Ready(Ok(()));
        }
        if this.state.is_probe_requested() {
            this.state.set_probed(this.has_unread());
        }
        let room = buf.remaining();
        let read = ready!(this.stream()?.poll_read(cx, buf));
        if let Err(error) = read {
            // A limit of this process has no error number.
            if error.kind() != io::ErrorKind::TimedOut || error.raw_os_error().is_some() {
                this.state.set_read_ended();
            }
            return Poll::Ready(Err(error));
        }
        if buf.filled().len() > before {
            this.state.activity.record_read();
            this.follow_upload(buf.filled().get(before..));
        } else if room > 0 {
            this.read_closed = true;
            this.state.set_read_ended();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_writable()?;
        this.record_continue(buf);
        let written = match this.error_response(buf) {
            Some((response, stream)) => response.poll_write(stream, cx, buf.len()),
            None => this.stream()?.poll_write(cx, buf),
        };
        this.record_write(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_writable()?;
        let first = bufs.first().map_or(&[][..], |buf| buf);
        this.record_continue(first);
        let written = match this.error_response(first) {
            Some((response, stream)) => {
                let length = bufs.iter().map(|buf| buf.len()).sum();
                response.poll_write(stream, cx, length)
            }
            None => this.stream()?.poll_write_vectored(cx, bufs),
        };
        this.record_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // TLS buffers what it cannot send yet.
        let flushed = this.stream()?.poll_flush(cx);
        this.flushed = true;
        this.record_write(&flushed);
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(cx)
    }
}

impl Drop for ConnectionIo {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let state = &self.state;
        state.end();
        let linger = if state.eviction.is_done() {
            // Nothing is unread, and the descriptor is needed.
            return;
        } else if state.stage() >= ShutdownStage::Rejecting || self.is_upgraded_and_cut() {
            if state.is_upgraded() {
                state.context().abort_log.log_connection(state, 0);
            }
            state.set_close_reason(CloseReason::Cut);
            Linger::fixed(ABORT_LINGER)
        } else if self.protocol == Some(Protocol::Http2) {
            // The client still sends window updates while it receives responses, and the kernel would reset a closed
            // socket. It cannot send much, since it gets no window for request bodies.
            let since_response = state.activity.age().saturating_sub(state.activity.idle_since());
            let total = if state.is_dropped() {
                CLOSING_GRACE
            } else {
                HTTP2_LINGER.saturating_sub(since_response).max(CLOSING_GRACE)
            };
            Linger {
                silence: CLOSING_GRACE,
                total,
                cutting: Some(state.context().cutting.clone()),
            }
        } else if state.lingers() {
            Linger::fixed(CLOSING_GRACE)
        } else {
            return;
        };
        // The kernel resets a socket that is closed with unread bytes, and the client may lose the response.
        if let (false, Ok(runtime)) = (self.read_closed, tokio::runtime::Handle::try_current()) {
            runtime.spawn(linger.close(stream, self.guard.take()));
        }
    }
}

impl Linger {
    fn fixed(time: Duration) -> Self {
        Self {
            silence: time,
            total: time,
            cutting: None,
        }
    }

    /// Shuts the stream down for writing, discards what is read until the peer closes or the time is over, and closes it.
    async fn close(self, mut stream: TransportStream, guard: Option<ShutdownGuard>) {
        let read_to_end = async {
            // Fails if HTTP has shut it down already.
            let _ = stream.shutdown().await;
            let mut scratch = [0; 4096];
            while timeout(self.silence, stream.read(&mut scratch)).await?? > 0 {}
            io::Result::Ok(())
        };
        let cutting = async {
            match self.cutting {
                Some(cutting) => cutting.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = timeout(self.total, read_to_end) => {}
            () = cutting => {}
        }
        drop(stream);
        drop(guard);
    }
}
