//! The IO of one counted connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::control::{CloseReason, ConnectionControl, Guard};
use crate::upgrade::UpgradeWatch;

pin_project! {
    /// An IO that counts as an open connection until it is dropped.
    ///
    /// Forwards everything, vectored writes included, and neither allocates nor locks. It speaks tokio's
    /// traits; for hyper wrap it in hyper-util's `TokioIo`.
    #[derive(Debug)]
    pub struct CountedIo<S> {
        // Dropped before the guard: the descriptor is closed before the place under the limit is free.
        #[pin]
        inner: S,
        watch: UpgradeWatch,
        guard: Guard,
    }
}

impl<S> CountedIo<S> {
    pub(crate) fn new(inner: S, guard: Guard) -> Self {
        Self {
            inner,
            watch: UpgradeWatch::new(),
            guard,
        }
    }

    /// Returns a handle by which the connection's close reason and upgrade can be told.
    #[must_use]
    pub fn control(&self) -> ConnectionControl {
        self.guard.control().clone()
    }

    /// Returns the wrapped IO.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped IO. What is read and written here is not watched.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead> AsyncRead for CountedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        if this.watch.touched() {
            this.guard.control().upgraded();
        }
        let before = buf.filled().len();
        let result = ready!(this.inner.poll_read(cx, buf));
        match &result {
            Ok(()) => this.watch.read(buf.filled().get(before..).unwrap_or_default()),
            Err(error) => failed(this.guard, error),
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite> AsyncWrite for CountedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        if this.watch.touched() || this.watch.write(buf) {
            this.guard.control().upgraded();
        }
        let result = ready!(this.inner.poll_write(cx, buf));
        Poll::Ready(result.inspect_err(|error| failed(this.guard, error)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        if this.watch.touched() || this.watch.write_vectored(bufs) {
            this.guard.control().upgraded();
        }
        let result = ready!(this.inner.poll_write_vectored(cx, bufs));
        Poll::Ready(result.inspect_err(|error| failed(this.guard, error)))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = ready!(this.inner.poll_flush(cx));
        Poll::Ready(result.inspect_err(|error| failed(this.guard, error)))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = ready!(this.inner.poll_shutdown(cx));
        Poll::Ready(result.inspect_err(|error| {
            // The peer was faster; some systems say so also after a clean close.
            if error.kind() != io::ErrorKind::NotConnected {
                failed(this.guard, error);
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
fn failed(guard: &Guard, error: &io::Error) {
    match error.kind() {
        // TLS says so when the peer closed without its farewell, as many do: an end all the same.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
        _ => guard.control().set_close_reason(CloseReason::Error),
    }
}
