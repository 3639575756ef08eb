//! The stop signal of sending threads.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

/// Stops the threads that send lines, after what is left. Clones share their state; one may stop several threads.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    state: Arc<StopState>,
}

#[derive(Debug, Default)]
struct StopState {
    stopped: AtomicBool,
    threads: Mutex<Vec<Thread>>,
}

impl Stop {
    /// Creates a stop signal that has not been triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers the stop and returns at once. Join the threads to wait for their end.
    pub fn stop(&self) {
        self.state.stopped.store(true, Ordering::Release);
        let threads = self.state.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().for_each(Thread::unpark);
    }

    /// Returns whether the stop was triggered.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state.stopped.load(Ordering::Acquire)
    }

    /// Unparks the current thread when the stop is triggered. Check [`Self::is_stopped`] before parking.
    pub(super) fn unpark_current_thread(&self) {
        let mut threads = self.state.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread::current());
    }
}
