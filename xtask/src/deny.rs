//! Licences, banned crates and sources of all dependencies, by cargo-deny.
//!
//! Advisories are left to a CI job of their own: they change without a change of ours.

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// Runs cargo-deny; skips it where it is not installed.
pub(crate) fn run() -> Result<Outcome, Error> {
    if Cargo::new("deny --version").output().is_err() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed (`cargo install cargo-deny --locked`)".to_owned(),
        ));
    }
    Cargo::new("deny check licenses bans sources").run()
}
