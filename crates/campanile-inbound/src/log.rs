//! The limit of log lines that requests can cause.

use std::time::Duration;

use campanile_metrics::{LogDecision, LogLimit};

/// Returns a limit of 10 lines in 10 seconds, for one call site.
pub(crate) const fn limit() -> LogLimit {
    LogLimit::new(10, Duration::from_secs(10))
}

/// Returns whether to log a line. What was swallowed before it is reported first.
pub(crate) fn admit(limit: &LogLimit, report: fn(u64)) -> bool {
    let LogDecision::Log { swallowed } = limit.check() else {
        return false;
    };
    if swallowed > 0 {
        report(swallowed);
    }
    true
}
