//! How far the service is, and whether it is well, as the caller tells it.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// How far a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// It does not serve yet.
    Starting,
    /// It serves.
    Ready,
    /// It serves, and wants new requests to go elsewhere.
    Draining,
    /// It takes nothing new and finishes what is in flight.
    Stopping,
    /// It has ended.
    Stopped,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Ready,
        Self::Draining,
        Self::Stopping,
        Self::Stopped,
    ];

    /// Returns the phase's name: `starting`, `ready`, `draining`, `stopping` or `stopped`.
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
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

/// How far a service is, and what is left of its drain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    phase: Phase,
    time_left: Option<Duration>,
}

impl Status {
    /// Creates the status of a service in this phase.
    #[must_use]
    pub const fn new(phase: Phase) -> Self {
        Self {
            phase,
            time_left: None,
        }
    }

    /// Says what is left of the drain time.
    #[must_use]
    pub const fn with_time_left(mut self, time_left: Option<Duration>) -> Self {
        self.time_left = time_left;
        self
    }

    /// Returns the phase.
    #[must_use]
    pub const fn phase(self) -> Phase {
        self.phase
    }

    /// Returns what is left of the drain time, in seconds.
    #[must_use]
    pub fn seconds_left(self) -> Option<f64> {
        // Milliseconds: what is measured is no truer.
        self.time_left
            .map(|left| (left.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    pub(crate) fn is_draining(self) -> bool {
        self.phase >= Phase::Draining
    }

    /// Spells what probes are answered; with the process that says so, where it could be another one.
    pub(crate) fn to_json(self, checks: &[Check], shared_port: bool) -> Value {
        let checks = checks.iter().map(|check| (check.name.clone(), check.to_json()));
        let mut value = json!({
            "phase": self.phase.as_str(),
            "seconds_left": self.seconds_left(),
            "checks": checks.collect::<Map<_, _>>(),
        });
        if shared_port {
            value["pid"] = std::process::id().into();
        }
        value
    }
}

impl From<Phase> for Status {
    fn from(phase: Phase) -> Self {
        Self::new(phase)
    }
}

/// What a named check of the service's readiness said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    name: String,
    failure: Option<String>,
}

impl Check {
    /// Creates the outcome of a check that says the service is well.
    #[must_use]
    pub fn passed(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            failure: None,
        }
    }

    /// Creates the outcome of a check that says why the service is not well, in a few words.
    #[must_use]
    pub fn failed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            failure: Some(why.into()),
        }
    }

    /// Tells whether the check says that the service is well.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        self.failure.is_none()
    }

    pub(crate) fn line(&self) -> String {
        format!("{}: {}\n", self.name, self.failure.as_deref().unwrap_or("ok"))
    }

    fn to_json(&self) -> Value {
        self.failure.as_deref().unwrap_or("ok").into()
    }
}
