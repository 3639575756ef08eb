#![doc = include_str!("../README.md")]

mod check;
mod config;
mod driver;
mod guard;
mod handle;
#[cfg(unix)]
mod hangups;
mod latch;
mod lifecycle;
mod metrics;
#[cfg(unix)]
mod notifier;
#[cfg(unix)]
mod overdue;
mod phase;
mod phase_reached;
mod readiness;
mod received_signals;
mod report;
#[cfg(unix)]
mod signal_actions;
#[cfg(unix)]
mod signal_thread;
mod signals;
mod state;
mod sync;
mod task;
#[cfg(feature = "tonic")]
mod tonic;
mod wait_group;
mod watch_cell;
#[cfg(unix)]
mod watchdog;

#[cfg(all(test, campanile_loom))]
mod loom_tests;

pub use self::check::CheckOutcome;
pub use self::config::{InvalidConfig, ShutdownConfig};
pub use self::guard::ShutdownGuard;
pub use self::handle::LifecycleHandle;
#[cfg(unix)]
pub use self::hangups::Hangups;
pub use self::latch::Latch;
pub use self::lifecycle::Lifecycle;
pub use self::metrics::METRICS;
#[cfg(unix)]
pub use self::notifier::Notifier;
pub use self::phase::Phase;
pub use self::phase_reached::PhaseReached;
pub use self::readiness::Readiness;
pub use self::report::{Report, StopReason};
pub use self::task::Task;
#[cfg(feature = "tonic")]
pub use self::tonic::report_health;
#[cfg(unix)]
pub use self::watchdog::Watchdog;

/// The name of a check, latch, guard or task.
type Name = std::borrow::Cow<'static, str>;
