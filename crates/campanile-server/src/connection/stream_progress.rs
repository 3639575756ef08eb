//! The bytes of one HTTP/2 response that wait for the client's window.
//!
//! hyper passes whole frames of a body to `h2`, which keeps what the window does not admit. The frames report here what
//! reaches the socket, which distinguishes a client that takes nothing from an application that produces nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

/// The most bytes that wait for the window when the body is polled for more.
const MAX_WAITING: usize = 256 << 10;

/// The most bytes that wait when the stream is ended, since it cannot be reset after that: the protocol's initial window,
/// so that most responses are ended along with their data.
const MAX_WAITING_AT_END: usize = 65_535;

/// The bytes of one response body, from hyper's hands to the socket.
#[derive(Debug, Default)]
pub(crate) struct StreamProgress {
    /// Bytes yielded to hyper. Changed by the stream's task only.
    yielded: AtomicU64,
    /// Those that have neither reached the socket nor been dropped.
    waiting: AtomicUsize,
    /// Whether none was waiting at some time since the last [`take_caught_up`](Self::take_caught_up).
    caught_up: AtomicBool,
    /// Whether bytes were dropped before they reached the socket.
    lost: AtomicBool,
    end: AtomicU8,
    /// The stream's task.
    task: AtomicWaker,
}

/// Bytes of one frame that have not reached the socket; they are lost if it is dropped first.
#[derive(Debug)]
pub(crate) struct WaitingBytes {
    progress: Arc<StreamProgress>,
    left: usize,
}

// How the body ended.
const OPEN: u8 = 0;
const COMPLETE: u8 = 1;
const INCOMPLETE: u8 = 2;

thread_local! {
    /// The progress of the response that the stream's task, polled on this thread, has begun.
    static BEGUN: Cell<Option<Arc<StreamProgress>>> = const { Cell::new(None) };
}

impl StreamProgress {
    /// Begins a response in a poll of its stream's task, which finds it by [`take_begun`](Self::take_begun).
    pub(crate) fn begin() -> Arc<Self> {
        let progress = Arc::new(Self::default());
        BEGUN.set(Some(Arc::clone(&progress)));
        progress
    }

    /// Returns the response that has begun on this thread since the last call.
    #[inline]
    pub(super) fn take_begun() -> Option<Arc<Self>> {
        BEGUN.take()
    }

    /// Records that a frame is yielded to hyper.
    #[inline]
    pub(crate) fn add(self: &Arc<Self>, bytes: usize) -> WaitingBytes {
        self.yielded.fetch_add(bytes as u64, Ordering::Relaxed);
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        WaitingBytes {
            progress: Arc::clone(self),
            left: bytes,
        }
    }

    /// Returns whether the stream may be ended along with the bytes that wait.
    #[inline]
    pub(crate) fn may_end(&self) -> bool {
        self.waiting.load(Ordering::Acquire) <= MAX_WAITING_AT_END
    }

    /// Waits until few enough bytes wait for the next frame, or for the end of the stream.
    #[inline]
    pub(crate) fn poll_room(&self, is_end: bool, cx: &mut Context<'_>) -> Poll<()> {
        let most = if is_end { MAX_WAITING_AT_END } else { MAX_WAITING };
        self.poll_at_most(most, cx)
    }

    /// Waits until every byte has reached the socket or is dropped.
    pub(super) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_at_most(0, cx)
    }

    #[inline]
    fn poll_at_most(&self, bytes: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.load(Ordering::Acquire) <= bytes {
            return Poll::Ready(());
        }
        self.task.register(cx.waker());
        // Again: the last byte may have left before the registration.
        if self.waiting.load(Ordering::Acquire) <= bytes {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Returns the number of bytes that have left.
    pub(super) fn taken(&self) -> u64 {
        let waiting = self.waiting.load(Ordering::Acquire) as u64;
        self.yielded.load(Ordering::Relaxed).saturating_sub(waiting)
    }

    /// Returns whether no byte was waiting at some time since the last call.
    pub(super) fn take_caught_up(&self) -> bool {
        self.caught_up.swap(false, Ordering::Relaxed) || self.waiting.load(Ordering::Acquire) == 0
    }

    /// Records that the body has ended.
    pub(crate) fn set_ended(&self, is_complete: bool) {
        let end = if is_complete { COMPLETE } else { INCOMPLETE };
        self.end.store(end, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.load(Ordering::Relaxed) != OPEN
    }

    /// Returns whether the body is complete, and all of it has reached the socket.
    pub(super) fn is_delivered(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
            && !self.lost.load(Ordering::Relaxed)
            && self.end.load(Ordering::Relaxed) == COMPLETE
    }

    #[inline]
    fn remove(&self, bytes: usize) {
        let before = self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        let after = before - bytes;
        if after == 0 {
            self.caught_up.store(true, Ordering::Relaxed);
        }
        let falls_to = |most| before > most && after <= most;
        if falls_to(0) || falls_to(MAX_WAITING_AT_END) || falls_to(MAX_WAITING) {
            self.task.wake();
        }
    }
}

impl WaitingBytes {
    /// Records that bytes have reached the socket, or the buffer in front of it, which waits for no window.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        if bytes > 0 {
            self.progress.remove(bytes);
        }
    }
}

impl Drop for WaitingBytes {
    #[inline]
    fn drop(&mut self) {
        if self.left > 0 {
            self.progress.lost.store(true, Ordering::Relaxed);
            self.progress.remove(self.left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn bytes_leave_by_an_advance_or_are_lost() {
        let mut cx = Context::from_waker(Waker::noop());
        let progress = StreamProgress::begin();
        assert!(StreamProgress::take_begun().is_some());
        assert!(StreamProgress::take_begun().is_none());
        let mut first = progress.add(100_000);
        assert!(!progress.may_end());
        assert!(progress.poll_room(false, &mut cx).is_ready());
        assert!(progress.poll_room(true, &mut cx).is_pending());
        assert!(!progress.take_caught_up());
        first.advance(50_000);
        assert!(progress.poll_room(true, &mut cx).is_ready());
        assert!(progress.poll_empty(&mut cx).is_pending());
        first.advance(50_000);
        drop(first);
        assert_eq!(progress.taken(), 100_000);
        assert!(progress.take_caught_up());
        progress.set_ended(true);
        assert!(progress.is_delivered());
        let second = progress.add(10);
        assert!(!progress.is_delivered());
        drop(second);
        assert!(progress.poll_empty(&mut cx).is_ready());
        assert!(!progress.is_delivered(), "lost");
    }
}
