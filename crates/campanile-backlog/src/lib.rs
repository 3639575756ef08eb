#![doc = include_str!("../README.md")]

mod backlog;
mod caught_closure;
mod error;
#[cfg(target_os = "linux")]
mod linux;
mod listener;
mod metrics;
mod monitor;
mod namespace;
mod options;
mod saturation;
#[cfg(not(target_os = "linux"))]
mod unsupported;
mod wait;
mod warnings;

#[cfg(target_os = "linux")]
use linux as kernel;
#[cfg(not(target_os = "linux"))]
use unsupported as kernel;

#[cfg(unix)]
pub use std::os::fd::AsFd;

pub use self::backlog::Backlog;
pub use self::error::{WatchError, WatchErrorKind};
pub use self::metrics::METRICS;
pub use self::monitor::BacklogMonitor;
pub use self::options::WatchOptions;
pub use self::saturation::{InvalidThresholds, Saturated, Saturation, SaturationGate, SaturationLevel};
#[cfg(not(unix))]
pub use self::unsupported::AsFd;
pub use self::wait::{WaitRecorder, waited};
