//! One cheap clock for all layers.
//!
//! Reads the processor's time stamp counter where it can be trusted and the system's monotonic clock elsewhere. Two
//! reads cost about half of two of [`std::time::Instant`]'s.

use std::{sync::OnceLock, time::Duration};

/// A point in time, for durations within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

fn clock() -> &'static quanta::Clock {
    static CLOCK: OnceLock<quanta::Clock> = OnceLock::new();
    CLOCK.get_or_init(quanta::Clock::new)
}

/// Prepares the clock. The first read does so too, but calibration takes some 20 milliseconds and at most
/// 200, which belong to start-up.
pub fn warm_up() {
    clock();
}

impl Mark {
    /// Reads the clock.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        Self(clock().raw())
    }

    /// Returns the seconds from this mark to a later one; zero if `later` is earlier.
    #[inline]
    #[must_use]
    pub fn seconds_until(self, later: Self) -> f64 {
        clock().delta_as_nanos(self.0, later.0) as f64 * 1e-9
    }

    /// Returns the time from this mark to a later one; zero if `later` is earlier.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        clock().delta(self.0, later.0)
    }

    /// Returns the mark as the number that [`Self::from_raw`] takes.
    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}
