//! The result of a shutdown.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::Name;

/// The exit code of a service that failed.
const EXIT_FAILED: u8 = 1;
/// The exit code after a shutdown that cut work, if requested.
const EXIT_CUT: u8 = 3;

/// Why a service stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// A signal of this name was received, for example `SIGTERM`.
    Signal(&'static str),
    /// A [`LifecycleHandle`](crate::LifecycleHandle) requested it.
    Requested,
    /// The serve future ended by itself.
    ServeEnded,
    /// The service failed: [`LifecycleHandle::fail`](crate::LifecycleHandle::fail) was called.
    Failed,
}

/// The result of a shutdown.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) reason: StopReason,
    pub(crate) took: Duration,
    pub(crate) in_flight: usize,
    pub(crate) serve_cut: bool,
    pub(crate) names: Vec<Name>,
    pub(crate) failure: Option<Name>,
    pub(crate) drained_requests: u64,
    pub(crate) cut_requests: u64,
    pub(crate) exit_nonzero_when_cut: bool,
}

impl Report {
    /// Returns why the service stopped.
    #[must_use]
    pub const fn reason(&self) -> StopReason {
        self.reason
    }

    /// Returns the time from the beginning of the drain to the end of the shutdown.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }

    /// Returns whether anything was cut: the serve future, a guard, a task or a counted request.
    #[must_use]
    pub fn was_cut(&self) -> bool {
        self.serve_cut || self.in_flight > 0 || self.cut_requests > 0 || !self.names.is_empty()
    }

    /// Adds work that was cut after the shutdown, such as blocking tasks that outlived their runtime.
    #[must_use]
    pub fn with_cut(mut self, name: impl Into<Name>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Returns the number of guards and tasks in flight at the cut.
    #[must_use]
    pub const fn in_flight_when_cut(&self) -> usize {
        self.in_flight
    }

    /// Iterates over the names of the tasks and guards that were cut.
    pub fn cut_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns the number of requests counted as completed during the shutdown.
    #[must_use]
    pub const fn drained_requests(&self) -> u64 {
        self.drained_requests
    }

    /// Returns the number of requests counted as cut.
    #[must_use]
    pub const fn cut_requests(&self) -> u64 {
        self.cut_requests
    }

    /// Returns why the service failed, if [`LifecycleHandle::fail`](crate::LifecycleHandle::fail) was called.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Returns the exit code for the process: 1 if the service [failed](Self::failure), 3 if work was cut and
    /// [`with_exit_nonzero_when_cut`](crate::ShutdownConfig::with_exit_nonzero_when_cut) is set, otherwise 0.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.failure.is_some() {
            ExitCode::from(EXIT_FAILED)
        } else if self.exit_nonzero_when_cut && self.was_cut() {
            ExitCode::from(EXIT_CUT)
        } else {
            ExitCode::SUCCESS
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal(name) => name,
            Self::Requested => "requested",
            Self::ServeEnded => "the serve future ended",
            Self::Failed => "the service failed",
        })
    }
}
