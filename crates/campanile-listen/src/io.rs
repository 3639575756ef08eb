//! The IO of a counted connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection_control::ConnectionGuard;
use crate::upgrade::UpgradeDetector;
use crate::{CloseReason, ConnectionControl};

pin_project! {
    /// An IO that counts as an open connection until it is dropped.
    ///
    /// Reads and writes are forwarded, including vectored writes, without allocations or locks. It implements tokio's
    /// traits; wrap it in hyper-util's `TokioIo` for hyper.
    #[derive(Debug)]
    pub struct CountedIo<S> {
        // Dropped before the guard, so that the descriptor is closed before the permit is released.
        #[pin]
        inner: S,
        upgrade: UpgradeDetector,
        guard: ConnectionGuard,
    }
}

impl<S> CountedIo<S> {
    pub(crate) fn new(inner: S, guard: ConnectionGuard) -> Self {
        Self {
            inner,
            upgrade: UpgradeDetector::new(),
            guard,
        }
    }

    /// Returns a handle that sets the connection's close reason and marks upgrades.
    #[must_use]
    pub fn control(&self) -> ConnectionControl {
        self.guard.control().clone()
    }

    /// Returns a reference to the wrapped IO.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the wrapped IO. Reads and writes on it are not observed.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped IO. The connection counts as closed.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncRead> AsyncRead for CountedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        if this.upgrade.on_use() {
            this.guard.control().set_upgraded();
        }
        let before = buf.filled().len();
        let result = ready!(this.inner.poll_read(cx, buf));
        match &result {
            Ok(()) => this
                .upgrade
                .on_read(buf.filled().get(before..).unwrap_or_default()),
            Err(error) => on_error(this.guard, error),
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite> AsyncWrite for CountedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        if this.upgrade.on_use() || this.upgrade.on_write(buf) {
            this.guard.control().set_upgraded();
        }
        let result = ready!(this.inner.poll_write(cx, buf));
        Poll::Ready(result.inspect_err(|error| on_error(this.guard, error)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        if this.upgrade.on_use() || this.upgrade.on_write_vectored(bufs) {
            this.guard.control().set_upgraded();
        }
        let result = ready!(this.inner.poll_write_vectored(cx, bufs));
        Poll::Ready(result.inspect_err(|error| on_error(this.guard, error)))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = ready!(this.inner.poll_flush(cx));
        Poll::Ready(result.inspect_err(|error| on_error(this.guard, error)))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = ready!(this.inner.poll_shutdown(cx));
        Poll::Ready(result.inspect_err(|error| {
            // The peer closed first; some systems return it after a clean close too.
            if error.kind() != io::ErrorKind::NotConnected {
                on_error(this.guard, error);
            }
        }))
    }
}

#[cfg(unix)]
impl<S: std::os::fd::AsFd> std::os::fd::AsFd for CountedIo<S> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

#[cfg(unix)]
impl<S: std::os::fd::AsRawFd> std::os::fd::AsRawFd for CountedIo<S> {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.inner.as_raw_fd()
    }
}

#[cold]
fn on_error(guard: &ConnectionGuard, error: &io::Error) {
    match error.kind() {
        // rustls returns `UnexpectedEof` if the peer closes without close_notify, which many do: a regular end.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
        _ => guard.control().set_close_reason(CloseReason::Error),
    }
}
