//! The status of the service and the results of its readiness checks.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// A phase in the life of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServicePhase {
    /// The service does not serve yet.
    Starting,
    /// The service serves requests.
    Ready,
    /// The service still serves requests, and new ones should go to other instances.
    Draining,
    /// The service accepts no new connections and completes the requests in flight.
    Stopping,
    /// The service has stopped.
    Stopped,
}

impl ServicePhase {
    /// All phases, in order.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Ready,
        Self::Draining,
        Self::Stopping,
        Self::Stopped,
    ];

    /// Returns the name of the phase: `starting`, `ready`, `draining`, `stopping` or `stopped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// Returns the phase of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

/// The phase of a service and its remaining drain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStatus {
    phase: ServicePhase,
    time_left: Option<Duration>,
}

impl ServiceStatus {
    /// Creates the status of a service in this phase.
    #[must_use]
    pub const fn new(phase: ServicePhase) -> Self {
        Self {
            phase,
            time_left: None,
        }
    }

    /// Sets the remaining drain time.
    #[must_use]
    pub const fn with_time_left(mut self, time_left: Option<Duration>) -> Self {
        self.time_left = time_left;
        self
    }

    /// Returns the phase.
    #[must_use]
    pub const fn phase(self) -> ServicePhase {
        self.phase
    }

    /// Returns the remaining drain time in seconds, rounded to milliseconds.
    #[must_use]
    pub fn seconds_left(self) -> Option<f64> {
        self.time_left
            .map(|left| (left.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    pub(crate) fn is_draining(self) -> bool {
        self.phase >= ServicePhase::Draining
    }

    /// Returns the response body of probes. `pid` is the process ID on a port that several processes share.
    pub(crate) fn to_json(self, checks: &[CheckResult], pid: Option<u32>) -> Value {
        let checks = checks.iter().map(|check| {
            let text = check.failure.as_deref().unwrap_or("ok");
            (check.name.clone(), Value::from(text))
        });
        let mut value = json!({
            "phase": self.phase.as_str(),
            "seconds_left": self.seconds_left(),
            "checks": checks.collect::<Map<_, _>>(),
        });
        if let Some(pid) = pid {
            value["pid"] = pid.into();
        }
        value
    }
}

impl From<ServicePhase> for ServiceStatus {
    fn from(phase: ServicePhase) -> Self {
        Self::new(phase)
    }
}

/// The result of a named readiness check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    name: String,
    failure: Option<String>,
}

impl CheckResult {
    /// Creates the result of a check that passed.
    #[must_use]
    pub fn passed(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            failure: None,
        }
    }

    /// Creates the result of a check that failed, with a short reason.
    #[must_use]
    pub fn failed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            failure: Some(reason.into()),
        }
    }

    /// Returns whether the check passed.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        self.failure.is_none()
    }

    /// Returns `name: reason` if the check failed.
    pub(crate) fn failure_line(&self) -> Option<String> {
        self.failure
            .as_ref()
            .map(|reason| format!("{}: {reason}\n", self.name))
    }
}
