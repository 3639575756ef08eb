//! The phases of a service.

use std::fmt;

/// A phase of a service. Phases only advance, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Not serving yet: a latch is held, or the [`Lifecycle`](crate::Lifecycle) does not run.
    Starting,
    /// Serving.
    Ready,
    /// Serving, not ready: clients and load balancers move elsewhere until the drain time has elapsed.
    Draining,
    /// Accepting nothing new, and finishing what is in flight.
    Stopping,
    /// Nothing is in flight any more: all of it has finished or was cut.
    Stopped,
}

/// A [`Phase`] as it is stored and requested: within [`Phase::Stopping`], work in flight can be finishing or be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Starting,
    Ready,
    Draining,
    Stopping,
    Cutting,
    Stopped,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Ready,
        Self::Draining,
        Self::Stopping,
        Self::Stopped,
    ];

    /// Returns the name: `starting`, `ready`, `draining`, `stopping` or `stopped`.
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

    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::Starting => Stage::Starting,
            Self::Ready => Stage::Ready,
            Self::Draining => Stage::Draining,
            Self::Stopping => Stage::Stopping,
            Self::Stopped => Stage::Stopped,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Stage {
    pub(crate) const fn phase(self) -> Phase {
        match self {
            Self::Starting => Phase::Starting,
            Self::Ready => Phase::Ready,
            Self::Draining => Phase::Draining,
            Self::Stopping | Self::Cutting => Phase::Stopping,
            Self::Stopped => Phase::Stopped,
        }
    }
}

impl From<Stage> for u8 {
    fn from(stage: Stage) -> Self {
        stage as Self
    }
}

impl From<u8> for Stage {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Starting,
            1 => Self::Ready,
            2 => Self::Draining,
            3 => Self::Stopping,
            4 => Self::Cutting,
            _ => Self::Stopped,
        }
    }
}
