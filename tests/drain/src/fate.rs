//! What came of a request, as its client saw it, and how many there were of each.

use std::{collections::BTreeMap, fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};

/// What came of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "whoever counts has to know all of them")]
pub enum Fate {
    /// A complete answer came.
    Answered,
    /// No connection came to be: refused, or timed out before it was there. Safe to send elsewhere.
    Refused,
    /// Connected, or sent on an open connection, and no complete answer came.
    Lost(Loss),
    /// Not processed, and the server said so: a stream above GOAWAY's last id, or `REFUSED_STREAM`. Safe to send elsewhere.
    AboveGoaway,
    /// Sent on a connection that had been idle after an answer, and met its close: the server never read it.
    ///
    /// RFC 9112, 9.3.1: any close of an idle connection may cross a request.
    IdleClose,
    /// Never sent, by a fault of this machine: no port or no descriptor was left. The row is worth nothing.
    Unsent,
}

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "whoever counts has to know all of them")]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The connection was reset before any byte of the answer: the server never read the request.
    ResetBeforeAnswer,
    /// The connection was closed before any byte of the answer: the server read the request, and cut it.
    ClosedBeforeAnswer,
    /// The connection was reset within the answer.
    ResetInAnswer,
    /// The connection was closed within the answer.
    ClosedInAnswer,
    /// The stream was reset for another reason than that it was refused.
    StreamReset,
    /// An answer came, but not the one that was asked for.
    OtherAnswer,
    /// Nothing came, not even an end.
    TimedOut,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ResetBeforeAnswer => "reset before an answer",
            Self::ClosedBeforeAnswer => "closed before an answer",
            Self::ResetInAnswer => "reset within an answer",
            Self::ClosedInAnswer => "closed within an answer",
            Self::StreamReset => "stream reset",
            Self::OtherAnswer => "another answer",
            Self::TimedOut => "no end",
        })
    }
}

/// How many requests had each fate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// [`Fate::Answered`].
    pub answered: u64,
    /// [`Fate::Refused`].
    pub refused: u64,
    /// [`Fate::Lost`], by reason.
    pub lost: BTreeMap<Loss, u64>,
    /// [`Fate::AboveGoaway`].
    pub above_goaway: u64,
    /// [`Fate::IdleClose`].
    pub idle_close: u64,
    /// [`Fate::Unsent`].
    pub unsent: u64,
}

impl Tally {
    /// Counts one request.
    pub fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Answered => self.answered += 1,
            Fate::Refused => self.refused += 1,
            Fate::Lost(loss) => *self.lost.entry(loss).or_default() += 1,
            Fate::AboveGoaway => self.above_goaway += 1,
            Fate::IdleClose => self.idle_close += 1,
            Fate::Unsent => self.unsent += 1,
        }
    }

    /// Returns how many were lost, whatever the reason.
    #[must_use]
    pub fn all_lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.answered += other.answered;
        self.refused += other.refused;
        for (loss, count) in &other.lost {
            *self.lost.entry(*loss).or_default() += count;
        }
        self.above_goaway += other.above_goaway;
        self.idle_close += other.idle_close;
        self.unsent += other.unsent;
    }
}
