//! The lifecycle through its public API.
#![allow(clippy::print_stdout, reason = "prints why a case is skipped")]

mod axum;
mod checks;
#[cfg(unix)]
mod child_process;
mod config;
mod latches;
mod metrics;
#[cfg(target_os = "linux")]
mod notify;
mod phase_reached;
mod phases;
#[cfg(unix)]
mod signals;
mod support;
mod tasks;
#[cfg(feature = "tonic")]
mod tonic;
