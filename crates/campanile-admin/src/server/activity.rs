//! Whether a connection is being answered, and since when it is as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::time::Instant;

/// What is known of one connection. It is only read and written on the admin thread, but for answers that are dropped
/// elsewhere.
#[derive(Debug)]
pub(super) struct Activity {
    /// The time that `since` counts from.
    zero: Instant,
    /// Milliseconds.
    since: AtomicU64,
    answering: AtomicBool,
}

/// An answer, from its request to the end of its body.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Activity {
    pub(super) fn new(zero: Instant) -> Arc<Self> {
        let activity = Self {
            zero,
            since: AtomicU64::new(0),
            answering: AtomicBool::new(false),
        };
        activity.touch();
        Arc::new(activity)
    }

    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.answering.store(true, Ordering::Relaxed);
        self.touch();
        Answering(Arc::clone(self))
    }

    /// Orders connections by how well the port can do without them: idle ones first, the longest idle of them first.
    pub(super) fn rank(&self) -> (bool, u64) {
        let answering = self.answering.load(Ordering::Relaxed);
        (answering, self.since.load(Ordering::Relaxed))
    }

    fn touch(&self) {
        let since = self.zero.elapsed().as_millis();
        self.since
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.touch();
        self.0.answering.store(false, Ordering::Relaxed);
    }
}
