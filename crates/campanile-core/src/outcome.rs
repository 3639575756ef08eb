//! How an exchange ended.

use std::fmt;

/// How an exchange ended, from the request to the last byte of the response body. Each exchange has exactly one
/// outcome.
///
/// An inner layer that responds itself puts the outcome into the extensions of its response, where the metrics layer
/// reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole response was handed over, with any status; an upgrade at its 101 or 2xx.
    Completed,
    /// Dropped before the response head, or left by the client before its request body was complete.
    Cancelled,
    /// Dropped while the body was being sent.
    Aborted,
    /// Ended by a deadline.
    TimedOut,
    /// Rejected because the service was full.
    Shed,
    /// The handler or the body panicked.
    Panicked,
    /// The inner service or the body returned an error.
    Failed,
}

impl Outcome {
    /// All outcomes, ordered by [`Self::index`].
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::Cancelled,
        Self::Aborted,
        Self::TimedOut,
        Self::Shed,
        Self::Panicked,
        Self::Failed,
    ];

    /// Returns the outcome as a label value.
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

    /// Returns the index in [`Self::ALL`].
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
