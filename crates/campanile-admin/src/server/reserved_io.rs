//! A connection whose descriptor stays with the admin port.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_listen::{AcceptedStream, CountedIo, DescriptorReserve};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that returns its descriptor to the reserve when it is dropped.
pub(super) struct ReservedIo {
    /// Taken on drop only.
    io: Option<CountedIo<AcceptedStream>>,
    reserve: DescriptorReserve,
}

impl ReservedIo {
    pub(super) fn new(io: CountedIo<AcceptedStream>, reserve: DescriptorReserve) -> Self {
        Self {
            io: Some(io),
            reserve,
        }
    }

    fn project(self: Pin<&mut Self>) -> Pin<&mut CountedIo<AcceptedStream>> {
        Pin::new(self.get_mut().io.as_mut().expect("taken on drop only"))
    }
}

impl AsyncRead for ReservedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().poll_read(cx, buf)
    }
}

impl AsyncWrite for ReservedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().poll_shutdown(cx)
    }
}

impl Drop for ReservedIo {
    fn drop(&mut self) {
        if let Some(io) = self.io.take() {
            self.reserve.close(io.into_inner());
        }
    }
}
