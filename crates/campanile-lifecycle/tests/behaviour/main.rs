//! What a service's phases, and those who watch them, do and do not.

mod axum;
mod checks;
mod child;
mod latches;
mod metrics;
mod notify;
mod phases;
mod settings;
mod signals;
mod support;
mod tasks;
#[cfg(feature = "tonic")]
mod tonic;
mod watchers;
