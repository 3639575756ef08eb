//! Writes `docs/metrics.json`, the list of all metrics.
//!
//! The list is made from the descriptors of the crates, which only a program that links them knows: a test of
//! `campanile-tests` compares the file, and overwrites it on request.

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// Overwrites the list.
pub(crate) fn run() -> Result<Outcome, Error> {
    Cargo::new("test -p campanile-tests --test it -- --exact metrics_json::list_of_metrics_is_current")
        .with_env("UPDATE_GOLDEN", "1")
        .run()
}
