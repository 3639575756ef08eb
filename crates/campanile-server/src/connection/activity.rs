//! The requests, reads and writes of a connection, and when they last happened.
//!
//! Times are microseconds since the accept, of a clock that takes a few nanoseconds to read. As with all of the
//! connection's [state](super::state), each atomic is read on its own.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use campanile_core::clock::FastInstant;

#[derive(Debug)]
pub(crate) struct Activity {
    accepted: FastInstant,
    /// Requests from their call to the end of the response.
    in_flight: AtomicUsize,
    /// Those of the requests in flight whose response is complete, but has not reached the socket.
    delivering: AtomicUsize,
    has_served: AtomicBool,
    /// Tasks of HTTP/2 streams, tunnels included.
    streams: AtomicU32,
    last_received: AtomicU64,
    /// When the first byte of an incomplete request head arrived; 0 without one.
    head_began: AtomicU64,
    idle_since: AtomicU64,
    /// Since when the peer has not read pending response bytes; 0 if none are pending.
    write_blocked_since: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            accepted: FastInstant::now(),
            in_flight: AtomicUsize::new(0),
            delivering: AtomicUsize::new(0),
            has_served: AtomicBool::new(false),
            streams: AtomicU32::new(0),
            last_received: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            write_blocked_since: AtomicU64::new(0),
        }
    }

    /// Returns the time since the accept, which is also the current time of this clock.
    #[inline]
    pub(crate) fn age(&self) -> Duration {
        self.accepted.until(FastInstant::now())
    }

    /// Records that bytes were read.
    #[inline]
    pub(super) fn record_read(&self) {
        let now = self.record_received();
        if self.in_flight() == 0 && self.head_began.load(Ordering::Relaxed) == 0 {
            self.head_began.store(now, Ordering::Relaxed);
        }
    }

    /// Records that bytes of the peer have arrived, read or not; returns the current time.
    #[inline]
    pub(super) fn record_received(&self) -> u64 {
        let now = micros(self.age());
        self.last_received.store(now, Ordering::Relaxed);
        now
    }

    pub(super) fn last_received(&self) -> Duration {
        Duration::from_micros(self.last_received.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn head_began(&self) -> Option<Duration> {
        optional(&self.head_began)
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
        self.idle_since.store(micros(self.age()), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records that the response of a request is complete, but has not reached the socket.
    #[inline]
    pub(crate) fn delivery_began(&self) {
        self.delivering.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a complete response has reached the socket, or is dropped.
    #[inline]
    pub(super) fn delivery_ended(&self) {
        self.request_ended();
        self.delivering.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns whether the response of a request is not complete yet.
    pub(super) fn is_responding(&self) -> bool {
        self.in_flight() > self.delivering.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns for how long neither side has sent anything at `now`; `None` with a request, a pending write or a stream.
    pub(crate) fn silence(&self, now: FastInstant) -> Option<Duration> {
        let since = self.last_received().max(self.idle_since());
        self.is_idle()
            .then(|| self.accepted.until(now).saturating_sub(since))
    }

    pub(super) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    pub(super) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stream_ended(&self) {
        self.idle_since.store(micros(self.age()), Ordering::Relaxed);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records that a write is pending.
    #[cold]
    pub(super) fn record_write_blocked(&self) {
        if self.write_blocked_since().is_none() {
            self.write_blocked_since
                .store(micros(self.age()), Ordering::Relaxed);
        }
    }

    /// Records that a write has completed.
    #[inline]
    pub(super) fn record_write_progress(&self) {
        if self.write_blocked_since().is_some() {
            self.idle_since.store(micros(self.age()), Ordering::Relaxed);
            self.write_blocked_since.store(0, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn write_blocked_since(&self) -> Option<Duration> {
        optional(&self.write_blocked_since)
    }

    /// Returns the number of requests whose response is not sent: those in flight, or one whose complete body is passed to
    /// hyper and waits to be written.
    pub(super) fn unfinished_requests(&self) -> usize {
        self.in_flight()
            .max(usize::from(self.write_blocked_since().is_some()))
    }

    /// Returns whether there is no request, no pending write and no stream.
    pub(super) fn is_idle(&self) -> bool {
        self.unfinished_requests() == 0 && !self.has_streams()
    }

    /// Returns whether an HTTP/2 stream has a task.
    #[inline]
    pub(super) fn has_streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 0
    }
}

/// Returns at least 1, since 0 means no time.
#[inline]
fn micros(time: Duration) -> u64 {
    (time.as_micros() as u64).max(1)
}

#[inline]
fn optional(time: &AtomicU64) -> Option<Duration> {
    match time.load(Ordering::Relaxed) {
        0 => None,
        micros => Some(Duration::from_micros(micros)),
    }
}
