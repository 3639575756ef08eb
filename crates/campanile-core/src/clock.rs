//! One cheap clock for all layers.
//!
//! Reads the processor's time stamp counter where it can be trusted and the system's monotonic clock elsewhere. Two
//! reads cost about half of two of [`std::time::Instant`]'s.

use std::{sync::OnceLock, time::Duration};

/// A point in time, for durations within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FastInstant(u64);

struct Clock {
    quanta: quanta::Clock,
    /// Of the difference of two raw readings.
    seconds: f64,
}

#[inline]
fn clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(Clock::new)
}

impl Clock {
    #[cold]
    fn new() -> Self {
        let quanta = quanta::Clock::new();
        // Of so many that what is lost by whole nanoseconds does not matter.
        const MANY: u64 = 1 << 48;
        let seconds = quanta.delta_as_nanos(0, MANY) as f64 * 1e-9 / MANY as f64;
        Self { quanta, seconds }
    }
}

/// Prepares the clock. The first read does so too, but calibration takes some 20 milliseconds and at most
/// 200, which belong to start-up.
pub fn warm_up() {
    clock();
}

impl FastInstant {
    /// Reads the clock.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        Self(clock().quanta.raw())
    }

    /// Returns the seconds from this mark to a later one; zero if `later` is earlier.
    #[inline]
    #[must_use]
    pub fn seconds_until(self, later: Self) -> f64 {
        // Signed, which is one instruction to convert; a difference is far from either limit.
        later.0.saturating_sub(self.0).cast_signed() as f64 * clock().seconds
    }

    /// Returns the time from this mark to a later one; zero if `later` is earlier.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        clock().quanta.delta(self.0, later.0)
    }

    /// Returns the reading with its low bits spread over the whole word.
    pub(crate) fn spread(self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Returns the mark as the number that [`Self::from_raw`] takes.
    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}
