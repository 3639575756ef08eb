//! How an exchange ended.

use std::fmt;

/// How one exchange (a request and its answer to the last byte of the body) ended. Each has exactly one.
///
/// An inner layer that answers by itself says so by putting its outcome into the response's extensions; the metrics
/// layer reads it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole answer was handed over, whatever its status; an upgrade at its 101 or 2xx.
    Completed,
    /// Dropped before there was a response head, by whomever.
    Cancelled,
    /// Dropped while the body was being sent.
    Aborted,
    /// Answered by a deadline.
    TimedOut,
    /// Refused because the service was full.
    Shed,
    /// The handler or the body panicked.
    Panicked,
    /// The inner service or the body yielded an error.
    Failed,
}

impl Outcome {
    /// All outcomes, in the order of [`Self::index`].
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::Cancelled,
        Self::Aborted,
        Self::TimedOut,
        Self::Shed,
        Self::Panicked,
        Self::Failed,
    ];

    /// Returns the outcome as the value of a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Aborted => "aborted",
            Self::TimedOut => "timed_out",
            Self::Shed => "shed",
            Self::Panicked => "panicked",
            Self::Failed => "failed",
        }
    }

    /// Returns the place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
