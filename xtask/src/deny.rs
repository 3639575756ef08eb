//! Licences, bans and sources of all dependencies, by cargo-deny.
//!
//! A separate CI job checks advisories, because they change without a change of this repository.

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// Runs cargo-deny; skipped if it is not installed.
pub(crate) fn run() -> Result<Outcome, Error> {
    if Cargo::new("deny --version").output().is_err() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed (`cargo install cargo-deny --locked`)".to_owned(),
        ));
    }
    Cargo::new("deny check licenses bans sources").run()
}
