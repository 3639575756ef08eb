//! The limit of log lines that events outside of the operator's control can cause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits the log lines of one call site to a number per interval, and counts what it swallows.
///
/// Make it a `static` beside the call. It logs nothing itself: [`check`](Self::check) decides, and returns how many lines
/// were swallowed before the one to log, for a line that reports them.
///
/// ```
/// use campanile_metrics::{LogDecision, LogLimit};
/// use std::time::Duration;
///
/// static LIMIT: LogLimit = LogLimit::new(2, Duration::from_secs(10));
///
/// let logged = (0..5).filter(|_| matches!(LIMIT.check(), LogDecision::Log { .. })).count();
/// assert_eq!(logged, 2);
/// assert_eq!(LIMIT.take_swallowed(), 3);
/// ```
#[derive(Debug)]
pub struct LogLimit {
    lines: u32,
    interval: Duration,
    state: Mutex<State>,
}

/// Whether a line is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogDecision {
    /// Log it.
    Log {
        /// How many lines were swallowed since the last that was logged.
        swallowed: u64,
    },
    /// Do not log it. It is counted.
    Swallow {
        /// Whether it is the first of its interval.
        first: bool,
    },
}

#[derive(Debug)]
struct State {
    /// The beginning of the interval; `None` before the first line.
    began: Option<Instant>,
    logged: u32,
    swallowed: u64,
}

impl LogLimit {
    /// Creates a limit of `lines` in each `interval`, which begins with its first line.
    #[must_use]
    pub const fn new(lines: u32, interval: Duration) -> Self {
        Self {
            lines,
            interval,
            state: Mutex::new(State {
                began: None,
                logged: 0,
                swallowed: 0,
            }),
        }
    }

    /// Returns the interval.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Decides about one line, and counts it.
    pub fn check(&self) -> LogDecision {
        self.check_at(Instant::now())
    }

    /// Returns how many lines were swallowed since they were last reported, and counts from zero again: for a timer that
    /// reports them after the interval.
    #[must_use]
    pub fn take_swallowed(&self) -> u64 {
        std::mem::take(&mut self.lock().swallowed)
    }

    fn check_at(&self, now: Instant) -> LogDecision {
        let mut state = self.lock();
        let is_over = |began| now.saturating_duration_since(began) >= self.interval;
        if state.began.is_none_or(is_over) {
            state.began = Some(now);
            state.logged = 0;
        }
        if state.logged < self.lines {
            state.logged += 1;
            return LogDecision::Log {
                swallowed: std::mem::take(&mut state.swallowed),
            };
        }
        state.swallowed += 1;
        LogDecision::Swallow {
            first: state.swallowed == 1,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_per_interval_and_the_rest_is_reported_once() {
        let limit = LogLimit::new(2, Duration::from_secs(10));
        let began = Instant::now();
        let at = |seconds| limit.check_at(began + Duration::from_secs(seconds));
        let log = |swallowed| LogDecision::Log { swallowed };
        let swallow = |first| LogDecision::Swallow { first };
        assert_eq!(
            [at(0), at(1), at(2), at(9)],
            [log(0), log(0), swallow(true), swallow(false)]
        );
        assert_eq!([at(10), at(10), at(19)], [log(2), log(0), swallow(true)]);
        assert_eq!((limit.take_swallowed(), limit.take_swallowed()), (1, 0));
        assert_eq!(at(20), log(0), "reported by the timer");
    }

    #[test]
    fn lines_of_many_threads_are_all_accounted_for() {
        let limit = LogLimit::new(5, Duration::from_secs(3_600));
        let logged = std::thread::scope(|scope| {
            let count = || {
                (0..1_000)
                    .filter(|_| matches!(limit.check(), LogDecision::Log { .. }))
                    .count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_default())
                .sum::<usize>()
        });
        assert_eq!((logged, limit.take_swallowed()), (5, 3_995));
    }
}
