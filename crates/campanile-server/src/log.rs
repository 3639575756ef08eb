//! Log lines that clients can cause: limited per call site, and escaped.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use campanile_metrics::{Escaped, LogDecision, LogLimit};

/// The lines of one call site in each interval.
pub(crate) const LINES: u32 = 10;
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// Logs a line unless its call site has reached its limit. What is swallowed is reported before the next line, or after the
/// interval, by the given level and message.
macro_rules! limited {
    ($level:ident, $message:literal $(, $($fields:tt)*)?) => {{
        static LIMIT: campanile_metrics::LogLimit =
            campanile_metrics::LogLimit::new($crate::log::LINES, $crate::log::INTERVAL);
        if $crate::log::admit(&LIMIT, |swallowed| {
            tracing::$level!("{swallowed} more like this were not logged: {}", $message)
        }) {
            tracing::$level!($($($fields)*)? $message);
        }
    }};
}
pub(crate) use limited;

/// Returns whether to log a line. The first that is swallowed schedules a report.
pub(crate) fn admit(limit: &'static LogLimit, report: fn(u64)) -> bool {
    match limit.check() {
        LogDecision::Log { swallowed: 0 } => true,
        LogDecision::Log { swallowed } => {
            report(swallowed);
            true
        }
        LogDecision::Swallow { first } => {
            if first && let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    tokio::time::sleep(limit.interval()).await;
                    match limit.take_swallowed() {
                        0 => {}
                        swallowed => report(swallowed),
                    }
                });
            }
            false
        }
        _ => false,
    }
}

/// Displays an error and its sources, escaped: their texts may carry bytes of the client.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> Escaped<Chain<'a>> {
    Escaped(Chain(error))
}

/// An error and its sources, separated by colons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
