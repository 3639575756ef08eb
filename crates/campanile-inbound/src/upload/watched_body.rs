//! The request body that notes whether its client has left.

use std::{
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    thread,
};

use http_body::{Body, Frame, SizeHint};

use super::Upload;

/// A request body that is watched.
#[derive(Debug)]
pub(super) struct WatchedBody<B: Body<Error: Error + 'static> + Unpin> {
    inner: B,
    upload: Arc<Upload>,
    /// Whether the last poll found that more has to arrive.
    is_waiting: bool,
}

impl<B: Body<Error: Error + 'static> + Unpin> WatchedBody<B> {
    pub(super) fn new(inner: B, upload: Arc<Upload>) -> Self {
        Self {
            inner,
            upload,
            is_waiting: false,
        }
    }

    #[cold]
    fn note_error(&self, error: &B::Error) {
        if is_client_gone(error) {
            self.upload.client_left.store(true, Ordering::Relaxed);
        }
    }
}

impl<B: Body<Error: Error + 'static> + Unpin> Body for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.is_waiting = polled.is_pending();
        if let Poll::Ready(Some(Err(error))) = &polled {
            self.note_error(error);
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body<Error: Error + 'static> + Unpin> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        // A server that learns of the client's leaving may drop the exchange before it polls the body.
        if !self.is_waiting || thread::panicking() {
            return;
        }
        let inner = Pin::new(&mut self.inner);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            inner.poll_frame(&mut Context::from_waker(Waker::noop()))
        }));
        if let Ok(Poll::Ready(Some(Err(error)))) = polled {
            self.note_error(&error);
        }
    }
}

/// The number of sources that are read. A longer chain is a cycle.
const MAX_SOURCES: usize = 32;

/// Returns whether a body failed because its client closed the connection or reset the stream.
fn is_client_gone(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source())
        .take(MAX_SOURCES)
        .any(|error| {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                is_disconnect(error)
            } else if let Some(error) = error.downcast_ref::<h2::Error>() {
                error.is_remote() && (error.is_reset() || error.is_go_away())
                    || error.get_io().is_some_and(is_disconnect)
            } else {
                let error = error.downcast_ref::<hyper::Error>();
                error.is_some_and(hyper::Error::is_incomplete_message)
            }
        })
}

fn is_disconnect(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => true,
        // The kernel's limit for a peer that does not acknowledge, and not one of this process.
        io::ErrorKind::TimedOut => error.raw_os_error().is_some(),
        _ => false,
    }
}
