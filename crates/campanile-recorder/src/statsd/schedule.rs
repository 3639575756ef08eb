//! The ends of periods.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A period, and whether it ends at multiples of its length on the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) period: Duration,
    pub(super) on_wall_clock: bool,
}

impl Schedule {
    /// Returns the end of the period that starts `now`, or on the wall clock the end of the current one.
    pub(super) fn next(self, now: Instant) -> Instant {
        if self.on_wall_clock {
            // Both clocks are read here: a flush may have taken a while since `now`.
            Instant::now() + self.left(SystemTime::now())
        } else {
            now + self.period
        }
    }

    fn left(self, wall: SystemTime) -> Duration {
        let period = self.period.as_nanos();
        // Before 1970 the clock is not set, and any end will do.
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Duration::from_nanos(u64::try_from(period - since % period).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_at_multiples_on_the_wall_clock() {
        let schedule = Schedule {
            period: Duration::from_secs(10),
            on_wall_clock: true,
        };
        let left = |millis| schedule.left(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(left(1_700_000_003_500), Duration::from_millis(6_500));
        assert_eq!(left(1_700_000_000_000), Duration::from_secs(10));
        assert_eq!(left(1_699_999_999_999), Duration::from_millis(1));
    }
}
