//! How a thread that waits is told to end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

/// Tells what runs that it shall send what is left and end. Clones are the same; one may stop several.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    threads: Mutex<Vec<Thread>>,
}

impl Stop {
    /// Makes one that is not stopped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops, for good, and returns at once: join the thread to see it end.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        let threads = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().for_each(Thread::unpark);
    }

    /// Tells whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    /// Unparks this thread when stopped from now on; look at [`Self::is_stopped`] before parking.
    pub(super) fn unpark_me(&self) {
        let mut threads = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread::current());
    }
}
