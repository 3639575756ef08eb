//! Licences, banned crates and sources of all dependencies, by cargo-deny.
//!
//! Advisories are left to a CI job of their own: they change without a change of ours.

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// Runs cargo-deny; without it, CI fails and everyone else is told.
pub(crate) fn run() -> Result<Outcome, Error> {
    if Cargo::new("deny --version").output().is_err() {
        return missing(std::env::var("CI").is_ok_and(|value| value == "true"));
    }
    Cargo::new("deny check licenses bans sources").run()
}

fn missing(in_ci: bool) -> Result<Outcome, Error> {
    let why = "cargo-deny is not installed (`cargo install cargo-deny --locked`)";
    if in_ci {
        Err(Error::new(why))
    } else {
        Ok(Outcome::Skipped(why.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_insists_on_the_tool() {
        assert!(missing(true).is_err());
        assert!(matches!(missing(false), Ok(Outcome::Skipped(_))));
    }
}
