#![doc = include_str!("../README.md")]

mod backlog;
mod counted;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod error;
mod fd;
mod label;
#[cfg(target_os = "linux")]
mod linux;
mod metrics;
mod monitor;
mod names;
mod options;
mod saturation;
mod wait;
mod warnings;
mod watched;

#[cfg(not(target_os = "linux"))]
use elsewhere as kernel;
#[cfg(target_os = "linux")]
use linux as kernel;

pub use self::backlog::Backlog;
pub use self::error::{WatchError, WatchErrorKind};
pub use self::fd::AsFd;
pub use self::monitor::BacklogMonitor;
pub use self::options::WatchOptions;
pub use self::saturation::{Saturated, Saturation, SaturationGate, SaturationLevel};
pub use self::wait::{WaitRecorder, waited};
