//! The time limits of a shutdown.

use std::fmt;
use std::time::Duration;

/// Beyond it, `Instant` arithmetic can overflow on some platforms.
const MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time limits of a shutdown, for [`Lifecycle::new`](crate::Lifecycle::new).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    pub(crate) drain_time: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) termination_grace: Option<Duration>,
    pub(crate) exit_nonzero_when_cut: bool,
    pub(crate) exit_when_stuck: bool,
}

/// A time limit is too long. The message names the setting, its value and the maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    setting: &'static str,
    value: Duration,
}

impl ShutdownConfig {
    /// Creates a configuration with the defaults: a drain time of 5 seconds, a stop timeout of 10 seconds, exit code 0.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            drain_time: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(10),
            termination_grace: None,
            exit_nonzero_when_cut: false,
            exit_when_stuck: true,
        }
    }

    /// Sets how long the service goes on serving after a shutdown is requested, so that load balancers see the failing
    /// readiness before listeners close. Zero closes them at once.
    #[must_use]
    pub const fn with_drain_time(mut self, drain_time: Duration) -> Self {
        self.drain_time = drain_time;
        self
    }

    /// Sets how long work in flight may take to finish after the drain time. Zero cuts it at once.
    #[must_use]
    pub const fn with_stop_timeout(mut self, stop_timeout: Duration) -> Self {
        self.stop_timeout = stop_timeout;
        self
    }

    /// Sets how long the supervisor waits between its signal and the kill (Kubernetes'
    /// `terminationGracePeriodSeconds`, Docker's `--stop-timeout`). The lifecycle logs a warning at start if drain time
    /// and stop timeout together exceed it.
    #[must_use]
    pub const fn with_termination_grace(mut self, grace: Duration) -> Self {
        self.termination_grace = Some(grace);
        self
    }

    /// Sets whether [`Report::exit_code`](crate::Report::exit_code) is 3 when work was cut.
    #[must_use]
    pub const fn with_exit_nonzero_when_cut(mut self, nonzero: bool) -> Self {
        self.exit_nonzero_when_cut = nonzero;
        self
    }

    /// Sets whether the process ends with exit code 4 if a signal requested the shutdown and the runtime does not perform
    /// it, because all its threads are blocked: 1.25 seconds after drain time and stop timeout, which a second signal
    /// shortens to the stop timeout, and a third to nothing. Enabled by default. Applies to signals of
    /// [`install_signals`](crate::Lifecycle::install_signals), from there to the end of the shutdown.
    #[must_use]
    pub const fn with_exit_when_stuck(mut self, exit: bool) -> Self {
        self.exit_when_stuck = exit;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let times = [
            ("drain_time", self.drain_time),
            ("stop_timeout", self.stop_timeout),
        ];
        match times.into_iter().find(|(_, value)| *value > MAX) {
            Some((setting, value)) => Err(InvalidConfig { setting, value }),
            None => Ok(()),
        }
    }

    /// Logs a warning if the supervisor would kill the process before the shutdown is over.
    pub(crate) fn warn_of_short_grace(&self) {
        let Self {
            drain_time,
            stop_timeout,
            ..
        } = *self;
        if let Some(grace) = self.termination_grace
            && drain_time + stop_timeout > grace
        {
            tracing::warn!(
                "shutdown may take {:?} (drain_time {drain_time:?} + stop_timeout {stop_timeout:?}), \
                 but the supervisor kills the process after {grace:?}",
                drain_time + stop_timeout
            );
        }
    }
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value } = self;
        let days = value.as_secs() / (24 * 60 * 60);
        write!(f, "{setting} of {days} days exceeds the maximum of 365 days")
    }
}

impl std::error::Error for InvalidConfig {}
