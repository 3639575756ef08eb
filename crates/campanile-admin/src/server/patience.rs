//! A stream that fails once the other side has not read for long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Who has read nothing for as long does not read.
const PATIENCE: Duration = Duration::from_secs(10);

pin_project! {
    /// A stream whose writes fail when none of them has gone on for [`PATIENCE`].
    pub(super) struct Impatient<I> {
        #[pin]
        io: I,
        waiting: Option<Pin<Box<Sleep>>>,
        is_waiting: bool,
    }
}

impl<I> Impatient<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            waiting: None,
            is_waiting: false,
        }
    }
}

/// Passes on what a write came to, unless it has been waiting for too long.
fn watch<T>(
    written: Poll<io::Result<T>>,
    waiting: &mut Option<Pin<Box<Sleep>>>,
    is_waiting: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if written.is_ready() {
        *is_waiting = false;
        return written;
    }
    let sleep = waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
    if !std::mem::replace(is_waiting, true) {
        sleep.as_mut().reset(Instant::now() + PATIENCE);
    }
    sleep.as_mut().poll(cx).map(|()| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the other side does not read",
        ))
    })
}

impl<I: AsyncRead> AsyncRead for Impatient<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for Impatient<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write(cx, buf);
        watch(written, this.waiting, this.is_waiting, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write_vectored(cx, bufs);
        watch(written, this.waiting, this.is_waiting, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}
