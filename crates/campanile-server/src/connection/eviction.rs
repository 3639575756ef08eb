//! The request that a connection gives way to a waiting client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

const NONE: u8 = 0;
const REQUESTED: u8 = 1;
const DONE: u8 = 2;

/// Whether a connection was requested to give way. The request comes from the accept loop, and wakes the connection's task,
/// which decides.
#[derive(Debug, Default)]
pub(crate) struct Eviction {
    stage: AtomicU8,
    /// The waker of the connection's task, which stays the same.
    waker: OnceLock<Waker>,
}

impl Eviction {
    /// Allows requests, which wake this task.
    pub(super) fn allow(&self, waker: &Waker) {
        let _ = self.waker.set(waker.clone());
    }

    /// Requests the connection to give way.
    pub(crate) fn request(&self) {
        if let Some(waker) = self.waker.get()
            && self.change(NONE, REQUESTED)
        {
            waker.wake_by_ref();
        }
    }

    #[inline]
    pub(crate) fn is_requested(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == REQUESTED
    }

    /// Records that the connection gives way.
    pub(super) fn accept(&self) {
        self.change(REQUESTED, DONE);
    }

    /// Refuses the request, since the connection is not silent.
    pub(super) fn refuse(&self) {
        self.change(REQUESTED, NONE);
    }

    /// Returns whether the connection gives way.
    pub(super) fn is_done(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == DONE
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.stage
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}
