//! How long a stop may take, and whether the exit code tells of what it cut.

use std::fmt;
use std::time::Duration;

/// Beyond it a clock's arithmetic is no longer safe on every platform, and nobody means it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a [`Lifecycle`](crate::Lifecycle) is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) drain_time: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) termination_grace: Option<Duration>,
    pub(crate) exit_nonzero_when_cut: bool,
}

/// A setting that cannot be honoured. Its message names it, its value and what is possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSettings {
    setting: &'static str,
    value: Duration,
}

impl Settings {
    /// Makes the defaults: 5 seconds of drain time, 10 seconds of stop timeout, exit code 0 whatever was cut.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            drain_time: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(10),
            termination_grace: None,
            exit_nonzero_when_cut: false,
        }
    }

    /// Sets how long the service goes on serving everybody after the stop was asked for, so that load balancers see
    /// that it is no longer ready before it closes its listeners. Zero closes them at once.
    #[must_use]
    pub const fn with_drain_time(mut self, drain_time: Duration) -> Self {
        self.drain_time = drain_time;
        self
    }

    /// Sets how long, after the drain time, what is in flight may take to finish. Zero cuts it at once.
    #[must_use]
    pub const fn with_stop_timeout(mut self, stop_timeout: Duration) -> Self {
        self.stop_timeout = stop_timeout;
        self
    }

    /// Sets how long the supervisor waits between asking and killing (Kubernetes'
    /// `terminationGracePeriodSeconds`, Docker's `--stop-timeout`). If the drain time and the stop timeout
    /// together exceed it, a warning is logged when the service starts.
    #[must_use]
    pub const fn with_termination_grace(mut self, grace: Duration) -> Self {
        self.termination_grace = Some(grace);
        self
    }

    /// Makes [`Report::exit_code`](crate::Report::exit_code) 3 where something was cut.
    #[must_use]
    pub const fn with_exit_nonzero_when_cut(mut self, nonzero: bool) -> Self {
        self.exit_nonzero_when_cut = nonzero;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidSettings> {
        let times = [
            ("drain_time", self.drain_time),
            ("stop_timeout", self.stop_timeout),
        ];
        match times.into_iter().find(|(_, value)| *value > LONGEST) {
            Some((setting, value)) => Err(InvalidSettings { setting, value }),
            None => Ok(()),
        }
    }

    /// Warns of a supervisor that would kill the service before it has stopped by itself.
    pub(crate) fn warn(&self) {
        let Self {
            drain_time,
            stop_timeout,
            ..
        } = *self;
        if let Some(grace) = self.termination_grace
            && drain_time + stop_timeout > grace
        {
            tracing::warn!(
                "a stop may take {:?} (drain_time {drain_time:?} + stop_timeout {stop_timeout:?}), \
                 but the supervisor kills after {grace:?}",
                drain_time + stop_timeout
            );
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value } = self;
        let days = value.as_secs() / (24 * 60 * 60);
        write!(f, "{setting} of {days} days: the longest is 365 days")
    }
}

impl std::error::Error for InvalidSettings {}
