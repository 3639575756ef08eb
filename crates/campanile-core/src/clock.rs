//! A clock that is cheap enough to read several times per request.
//!
//! Reads the time stamp counter of the processor where it is reliable, and the monotonic clock of the system otherwise.
//! Two reads cost about half as much as two of [`std::time::Instant`].

use std::{sync::OnceLock, time::Duration};

/// A point in time, for measuring durations within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FastInstant(u64);

impl FastInstant {
    /// Reads the clock.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        Self(clock().quanta.raw())
    }

    /// Returns the seconds from this instant to `later`; zero if `later` is earlier.
    #[inline]
    #[must_use]
    pub fn seconds_until(self, later: Self) -> f64 {
        // A signed integer converts to a float in one instruction.
        later.0.saturating_sub(self.0).cast_signed() as f64 * clock().seconds_per_tick
    }

    /// Returns the time from this instant to `later`; zero if `later` is earlier.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        clock().quanta.delta(self.0, later.0)
    }

    /// Returns the reading with its low bits spread over the whole word.
    pub(crate) fn spread(self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Returns the raw reading, for [`Self::from_raw`].
    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// Calibrates the clock, which takes about 20 milliseconds and at most 200. Otherwise the first read calibrates it.
pub fn warm_up() {
    clock();
}

struct Clock {
    quanta: quanta::Clock,
    seconds_per_tick: f64,
}

#[inline]
fn clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(Clock::new)
}

impl Clock {
    #[cold]
    fn new() -> Self {
        // Enough ticks that rounding to whole nanoseconds does not matter.
        const TICKS: u64 = 1 << 48;
        let quanta = quanta::Clock::new();
        let seconds_per_tick = quanta.delta_as_nanos(0, TICKS) as f64 * 1e-9 / TICKS as f64;
        Self {
            quanta,
            seconds_per_tick,
        }
    }
}
