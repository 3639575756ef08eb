#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod check;
mod clock;
mod count;
mod handle;
mod hold;
mod latch;
mod level;
mod lifecycle;
mod metrics;
#[cfg(unix)]
mod notify;
mod phase;
mod reached;
mod readiness;
mod report;
mod settings;
mod shared;
mod signals;
mod sync;
mod task;
#[cfg(feature = "tonic")]
mod tonic;
mod walk;

pub use self::check::CheckOutcome;
pub use self::handle::Handle;
pub use self::hold::Hold;
pub use self::latch::Latch;
pub use self::lifecycle::Lifecycle;
pub use self::metrics::METRICS;
#[cfg(unix)]
pub use self::notify::{Notifier, Watchdog};
pub use self::phase::Phase;
pub use self::reached::Reached;
pub use self::readiness::Readiness;
pub use self::report::{Reason, Report};
pub use self::settings::{InvalidSettings, Settings};
pub use self::task::Task;
#[cfg(feature = "tonic")]
pub use self::tonic::report_health;
