//! Behaviour through the public API, within one process.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../corpus/mod.rs"]
mod corpus;
mod name_conflicts;
mod profile;
mod recorder;
#[cfg(feature = "statsd")]
mod statsd;
