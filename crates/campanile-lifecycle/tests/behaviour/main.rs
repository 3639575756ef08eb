//! What a service's phases, and those who watch them, do and do not.

mod axum;
mod checks;
#[cfg(unix)]
mod child;
mod latches;
mod metrics;
#[cfg(target_os = "linux")]
mod notify;
mod phases;
mod settings;
#[cfg(unix)]
mod signals;
mod support;
mod tasks;
#[cfg(feature = "tonic")]
mod tonic;
mod watchers;
