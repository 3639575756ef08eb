//! The phases of a service, and the stages behind them.

use std::fmt;

/// How far a service is. Phases only ever go forward, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It does not serve yet: a latch is held, or nobody runs its [`Lifecycle`](crate::Lifecycle).
    Starting,
    /// It serves.
    Ready,
    /// It serves, and tells everybody to go elsewhere, until the drain time is over.
    Draining,
    /// It takes nothing new and finishes what is in flight.
    Stopping,
    /// Nothing is in flight, or what was is cut.
    Stopped,
}

/// What the word in memory holds: a phase, or that what is left of [`Phase::Stopping`] is being cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Starting,
    Ready,
    Draining,
    Stopping,
    Cutting,
    Stopped,
}

/// What was asked of the service. More can be asked than before, never less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    Nothing,
    Drain,
    EndDrainTime,
    Cut,
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

impl From<Ask> for u8 {
    fn from(ask: Ask) -> Self {
        ask as Self
    }
}

impl From<u8> for Ask {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Nothing,
            1 => Self::Drain,
            2 => Self::EndDrainTime,
            _ => Self::Cut,
        }
    }
}
