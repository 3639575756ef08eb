//! What there is to say of a stop.

use std::process::ExitCode;
use std::time::Duration;

use crate::shared::Name;

/// The exit code for a stop that cut something, where it was asked for.
const CUT: u8 = 3;

/// Why a service stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A signal came; this is its name, for example `SIGTERM`.
    Signal(&'static str),
    /// Code asked for it, by [`Handle`](crate::Handle).
    Asked,
    /// What served ended by itself.
    Ended,
}

/// How a stop went.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) reason: Reason,
    pub(crate) took: Duration,
    pub(crate) in_flight: usize,
    pub(crate) serving_cut: bool,
    pub(crate) names: Vec<Name>,
    pub(crate) drained_requests: u64,
    pub(crate) cut_requests: u64,
    pub(crate) exit_nonzero_when_cut: bool,
}

impl Report {
    /// Returns why the service stopped.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the time from the begin of the drain to the end of the stop.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }

    /// Tells whether anything was cut: what served, holds, tasks, or requests that were told of.
    #[must_use]
    pub fn was_cut(&self) -> bool {
        self.serving_cut || self.in_flight > 0 || self.cut_requests > 0 || !self.names.is_empty()
    }

    /// Returns the number of holds that there were when the time was over.
    #[must_use]
    pub const fn in_flight_when_cut(&self) -> usize {
        self.in_flight
    }

    /// Walks the names of the tasks and holds that were cut.
    pub fn cut_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns how many requests were told of as served after the drain had begun.
    #[must_use]
    pub const fn drained_requests(&self) -> u64 {
        self.drained_requests
    }

    /// Returns how many requests were told of as cut.
    #[must_use]
    pub const fn cut_requests(&self) -> u64 {
        self.cut_requests
    }

    /// Returns the process's exit code: 0, or 3 if something was cut and
    /// [`with_exit_nonzero_when_cut`](crate::Settings::with_exit_nonzero_when_cut) was set.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.exit_nonzero_when_cut && self.was_cut() {
            ExitCode::from(CUT)
        } else {
            ExitCode::SUCCESS
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signal(name) => name,
            Self::Asked => "asked to",
            Self::Ended => "what served has ended",
        })
    }
}
