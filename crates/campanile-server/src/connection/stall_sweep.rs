//! Sweeps of a connection's task over its HTTP/2 streams, for those whose client takes nothing.
//!
//! A sweep wakes the streams' tasks, and each compares its progress with that at an earlier sweep. So neither a stream nor
//! a frame costs a timer or reads a clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::stream_progress::StreamProgress;

/// The sweeps per time limit.
pub(super) const SWEEPS: u32 = 4;

/// What a client takes, at least, within the time limit of a stall, of a response that waits for it all the time. A window
/// that opens by a byte per second is no progress.
const MIN_TAKEN: u64 = 1024;

/// The last sweep. Times are microseconds of the connection's [`Activity`](super::activity::Activity) clock.
#[derive(Debug, Default)]
pub(crate) struct StallSweep {
    at: AtomicU64,
    limit: AtomicU64,
    /// When the process last continued after a freeze. Progress is measured from then on.
    thawed_at: AtomicU64,
    /// Whether a stream has stalled that is ended already, so that only the end of the connection frees it.
    has_dead_streams: AtomicBool,
}

/// The progress of one stream at an earlier sweep.
#[derive(Debug, Default)]
pub(super) struct StallMark {
    seen: u64,
    taken: u64,
    since: Option<u64>,
}

impl StallSweep {
    /// Begins a sweep. The tasks of the streams have to be woken after it.
    pub(super) fn begin(&self, now: Duration, limit: Duration, was_frozen: bool) {
        let now = micros(now);
        self.limit.store(micros(limit), Ordering::Relaxed);
        if was_frozen {
            self.thawed_at.store(now, Ordering::Relaxed);
        }
        self.at.store(now, Ordering::Release);
    }

    pub(super) fn set_has_dead_streams(&self) {
        self.has_dead_streams.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_dead_streams(&self) -> bool {
        self.has_dead_streams.load(Ordering::Relaxed)
    }
}

impl StallMark {
    /// Returns whether a stream has stalled, at the first call after each sweep.
    pub(super) fn is_stalled(&mut self, sweep: &StallSweep, progress: &StreamProgress) -> bool {
        let now = sweep.at.load(Ordering::Acquire);
        if now == self.seen {
            return false;
        }
        self.seen = now;
        let taken = progress.taken();
        let caught_up = progress.take_caught_up();
        if let Some(since) = self.since
            && !caught_up
            && taken < self.taken + MIN_TAKEN
            && sweep.thawed_at.load(Ordering::Relaxed) <= since
        {
            return now >= since + sweep.limit.load(Ordering::Relaxed);
        }
        self.taken = taken;
        self.since = Some(now);
        false
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(4);

    fn sweep_at(sweep: &StallSweep, seconds: u64) {
        sweep.begin(Duration::from_secs(seconds), LIMIT, false);
    }

    #[test]
    fn stream_is_stalled_after_the_limit_without_enough_progress() {
        let sweep = StallSweep::default();
        let progress = StreamProgress::begin();
        let mut waiting = progress.add(10_000);
        let mut mark = StallMark::default();
        for second in 1..5 {
            sweep_at(&sweep, second);
            assert!(!mark.is_stalled(&sweep, &progress), "{second}");
            // A drip.
            waiting.advance(1);
        }
        sweep_at(&sweep, 5);
        assert!(mark.is_stalled(&sweep, &progress));
        assert!(!mark.is_stalled(&sweep, &progress), "once per sweep");
        waiting.advance(2000);
        sweep_at(&sweep, 6);
        assert!(!mark.is_stalled(&sweep, &progress));
        // Continued after a freeze.
        sweep.begin(Duration::from_secs(100), LIMIT, true);
        assert!(!mark.is_stalled(&sweep, &progress));
        sweep_at(&sweep, 103);
        assert!(!mark.is_stalled(&sweep, &progress));
        sweep_at(&sweep, 104);
        assert!(mark.is_stalled(&sweep, &progress));
    }

    #[test]
    fn stream_without_waiting_bytes_is_not_stalled() {
        let sweep = StallSweep::default();
        let progress = StreamProgress::begin();
        let mut mark = StallMark::default();
        for second in 1..20 {
            let mut event = progress.add(50);
            if second % 3 == 0 {
                event.advance(50);
            }
            sweep_at(&sweep, second);
            assert!(!mark.is_stalled(&sweep, &progress), "{second}");
            event.advance(50);
        }
        for second in 20..40 {
            sweep_at(&sweep, second);
            assert!(!mark.is_stalled(&sweep, &progress), "{second}");
        }
    }
}
