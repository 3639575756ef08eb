//! A count of what is in flight, and one who waits for it to be nothing.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicUsize, Mutex, Ordering};

#[derive(Debug)]
pub(crate) struct Count {
    value: AtomicUsize,
    waiter: Mutex<Option<Waker>>,
}

impl Count {
    pub(crate) fn new() -> Self {
        Self {
            value: AtomicUsize::new(0),
            waiter: Mutex::new(None),
        }
    }

    pub(crate) fn now(&self) -> usize {
        self.value.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self) {
        // Releases what its holder did, so that whoever finds nothing in flight sees it done.
        if self.value.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiter = self.waiter.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waiter {
                waker.wake();
            }
        }
    }

    /// Waits until the count is zero; only the last who asked is woken.
    pub(crate) fn poll_zero(&self, cx: &Context<'_>) -> Poll<()> {
        if self.now() == 0 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = self
            .waiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(waker);
        drop(old);
        // Whoever took the count to zero before the waker was there has found none to wake.
        if self.now() == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
