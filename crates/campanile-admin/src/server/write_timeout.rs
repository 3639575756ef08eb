//! A timeout for writes to clients that do not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

const TIMEOUT: Duration = Duration::from_secs(10);

pin_project! {
    /// A stream whose writes fail once they have made no progress for ten seconds.
    pub(super) struct WriteTimeout<I> {
        #[pin]
        io: I,
        timer: WriteTimer,
    }
}

impl<I> WriteTimeout<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            timer: WriteTimer::default(),
        }
    }
}

impl<I: AsyncRead> AsyncRead for WriteTimeout<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for WriteTimeout<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write(cx, buf);
        this.timer.check(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write_vectored(cx, bufs);
        this.timer.check(written, cx)
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

/// The time a pending write has waited. The timer is allocated by the first write that has to wait.
#[derive(Default)]
struct WriteTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl WriteTimer {
    fn check(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(TIMEOUT)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            sleep.as_mut().reset(Instant::now() + TIMEOUT);
        }
        sleep
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "write timed out")))
    }
}
