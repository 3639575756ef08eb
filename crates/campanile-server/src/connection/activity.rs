//! What goes on at a connection, and since when nothing does.
//!
//! Times are microseconds since the accept, by a clock that costs a few nanoseconds. As with all of the connection's
//! [state](super::state), each word stands for itself.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use campanile_core::clock::FastInstant;

#[derive(Debug)]
pub(crate) struct Activity {
    born: FastInstant,
    /// Requests from the call to the end of the answer.
    in_flight: AtomicUsize,
    has_served: AtomicBool,
    /// Tasks of HTTP/2's streams, tunnels included.
    streams: AtomicU32,
    last_read: AtomicU64,
    /// When the first byte of a head came, 0 while there is none.
    head_began: AtomicU64,
    idle_since: AtomicU64,
    /// Since when the peer has taken no byte of what is to be written, 0 while nothing waits.
    blocked_since: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            born: FastInstant::now(),
            in_flight: AtomicUsize::new(0),
            has_served: AtomicBool::new(false),
            streams: AtomicU32::new(0),
            last_read: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
        }
    }

    /// Returns the time since the accept.
    #[inline]
    pub(crate) fn now(&self) -> Duration {
        self.born.until(FastInstant::now())
    }

    /// Notes that bytes came.
    #[inline]
    pub(super) fn read(&self) {
        let now = self.heard();
        if self.in_flight() == 0 && self.head_began.load(Ordering::Relaxed) == 0 {
            self.head_began.store(now, Ordering::Relaxed);
        }
    }

    /// Notes that something of the peer has come, whether it was read or not.
    #[inline]
    pub(super) fn heard(&self) -> u64 {
        let now = micros(self.now());
        self.last_read.store(now, Ordering::Relaxed);
        now
    }

    pub(super) fn last_read(&self) -> Duration {
        Duration::from_micros(self.last_read.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn head_began(&self) -> Option<Duration> {
        match self.head_began.load(Ordering::Relaxed) {
            0 => None,
            began => Some(Duration::from_micros(began)),
        }
    }

    pub(super) fn idle_since(&self) -> Duration {
        Duration::from_micros(self.idle_since.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn request_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.has_served.store(true, Ordering::Relaxed);
        self.head_began.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn request_ended(&self) {
        self.idle_since.store(micros(self.now()), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    pub(super) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stream_ended(&self) {
        self.idle_since.store(micros(self.now()), Ordering::Relaxed);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that the peer takes no more for now.
    #[cold]
    pub(super) fn write_blocked(&self) {
        if self.blocked_since().is_none() {
            self.blocked_since.store(micros(self.now()), Ordering::Relaxed);
        }
    }

    /// Notes that the peer has taken something.
    #[inline]
    pub(super) fn write_went_on(&self) {
        if self.blocked_since().is_some() {
            self.idle_since.store(micros(self.now()), Ordering::Relaxed);
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn blocked_since(&self) -> Option<Duration> {
        match self.blocked_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_micros(since)),
        }
    }

    /// Returns the requests whose answers have not left: those in flight, or one whose body has been handed over in whole
    /// and waits to be written.
    pub(super) fn unanswered(&self) -> usize {
        self.in_flight().max(usize::from(self.blocked_since().is_some()))
    }

    /// Tells whether nothing is going on.
    pub(super) fn is_idle(&self) -> bool {
        self.unanswered() == 0 && self.streams.load(Ordering::Relaxed) == 0
    }
}

/// Never 0, which stands for no time.
#[inline]
fn micros(time: Duration) -> u64 {
    (time.as_micros() as u64).max(1)
}
