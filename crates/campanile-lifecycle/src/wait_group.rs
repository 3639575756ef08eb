//! A counter of work in flight, and one task that waits for it to reach zero.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicUsize, Mutex, Ordering};

#[derive(Debug)]
pub(crate) struct WaitGroup {
    count: AtomicUsize,
    waiter: Mutex<Option<Waker>>,
}

impl WaitGroup {
    pub(crate) fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            waiter: Mutex::new(None),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self) {
        // Releases the work of the member to the task that sees the count reach zero.
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiter = self.waiter.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waiter {
                waker.wake();
            }
        }
    }

    /// Completes once the count is zero. Only the last task that polled is woken.
    pub(crate) fn poll_zero(&self, cx: &Context<'_>) -> Poll<()> {
        if self.count() == 0 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = self
            .waiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(waker);
        drop(old);
        // The last member may have left before the waker was stored.
        if self.count() == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
