//! A connection that is counted in a gauge while it is open.

use std::{
    fmt,
    io::{IoSlice, Result},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{self, Connected};
use metrics::Gauge;
use pin_project_lite::pin_project;

pin_project! {
    /// A connection that is counted while it is open. See the [module docs](super).
    pub struct CountedConnection<T> {
        #[pin]
        inner: T,
        open: OpenCount,
    }
}

/// Decrements the gauge when the connection is dropped.
struct OpenCount(Option<&'static Gauge>);

impl Drop for OpenCount {
    fn drop(&mut self) {
        if let Some(gauge) = self.0 {
            gauge.decrement(1.0);
        }
    }
}

impl<T> CountedConnection<T> {
    pub(super) fn new(inner: T, open: Option<&'static Gauge>) -> Self {
        Self {
            inner,
            open: OpenCount(open),
        }
    }

    /// Returns a reference to the inner connection.
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }
}

impl<T: connect::Connection> connect::Connection for CountedConnection<T> {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

impl<T: Read> Read for CountedConnection<T> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_read(cx, buffer)
    }
}

impl<T: Write> Write for CountedConnection<T> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.project().inner.poll_write(cx, bytes)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_write_vectored(cx, slices)
    }
}

impl<T: fmt::Debug> fmt::Debug for CountedConnection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedConnection")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
