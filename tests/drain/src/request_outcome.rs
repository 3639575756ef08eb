//! The outcome of a request as its client saw it, and counts of outcomes.

use std::{collections::BTreeMap, fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the comparison handles each of them")]
pub enum RequestOutcome {
    /// The response was complete.
    Completed,
    /// The connection was refused or timed out. Safe to retry.
    Refused,
    /// Connected or sent, but without a complete response.
    Lost(Loss),
    /// Not processed, as the server reported: above the last stream ID of GOAWAY, or `REFUSED_STREAM`. Safe to retry.
    AboveGoaway,
    /// Sent on an idle connection that was being closed: the server never read it.
    ///
    /// RFC 9112, 9.3.1: the close of an idle connection may cross a request.
    IdleClose,
    /// Not sent, because this machine had no free port or descriptor. The row is invalid.
    Unsent,
}

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "the comparison handles each of them")]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The connection was reset before the response: the server never read the request.
    ResetBeforeResponse,
    /// The connection was closed before the response: the server read the request and aborted it.
    ClosedBeforeResponse,
    /// The connection was reset within the response.
    ResetInResponse,
    /// The connection was closed within the response.
    ClosedInResponse,
    /// The stream was reset, but not refused.
    StreamReset,
    /// The response was not the expected one.
    UnexpectedResponse,
    /// Neither a response nor an end of the connection.
    TimedOut,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ResetBeforeResponse => "reset before a response",
            Self::ClosedBeforeResponse => "closed before a response",
            Self::ResetInResponse => "reset within a response",
            Self::ClosedInResponse => "closed within a response",
            Self::StreamReset => "stream reset",
            Self::UnexpectedResponse => "unexpected response",
            Self::TimedOut => "timed out",
        })
    }
}

/// The number of requests by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// [`RequestOutcome::Completed`].
    pub completed: u64,
    /// [`RequestOutcome::Refused`].
    pub refused: u64,
    /// [`RequestOutcome::Lost`], by reason.
    pub lost: BTreeMap<Loss, u64>,
    /// [`RequestOutcome::AboveGoaway`].
    pub above_goaway: u64,
    /// [`RequestOutcome::IdleClose`].
    pub idle_close: u64,
    /// [`RequestOutcome::Unsent`].
    pub unsent: u64,
}

impl OutcomeCounts {
    /// Counts one request.
    pub fn add(&mut self, outcome: RequestOutcome) {
        match outcome {
            RequestOutcome::Completed => self.completed += 1,
            RequestOutcome::Refused => self.refused += 1,
            RequestOutcome::Lost(loss) => *self.lost.entry(loss).or_default() += 1,
            RequestOutcome::AboveGoaway => self.above_goaway += 1,
            RequestOutcome::IdleClose => self.idle_close += 1,
            RequestOutcome::Unsent => self.unsent += 1,
        }
    }

    /// Returns the number of lost requests.
    #[must_use]
    pub fn total_lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

impl AddAssign<&Self> for OutcomeCounts {
    fn add_assign(&mut self, other: &Self) {
        self.completed += other.completed;
        self.refused += other.refused;
        for (loss, count) in &other.lost {
            *self.lost.entry(*loss).or_default() += count;
        }
        self.above_goaway += other.above_goaway;
        self.idle_close += other.idle_close;
        self.unsent += other.unsent;
    }
}
