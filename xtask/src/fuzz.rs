//! Runs each fuzz target for a short time, by cargo-fuzz.
//!
//! On stable Rust, without a sanitizer, which safe code does not need: `RUSTC_BOOTSTRAP` enables the coverage flags.

use std::path::PathBuf;

use crate::error::Error;
use crate::metadata;
use crate::step::{Cargo, Outcome, root};

/// The targets of `fuzz/`, each with a corpus of the same name.
const TARGETS: &[&str] = &[
    "accept",
    "admin_live",
    "admin_request",
    "cells",
    "deadline",
    "grpc_method",
    "labels",
    "request_id",
    "shared_file",
    "statsd",
    "upload",
];
/// The default number of seconds per target.
const SECONDS: u64 = 20;
/// The number of seconds per target in CI, which only checks that the targets run and their corpora pass.
const SECONDS_IN_CI: u64 = 10;

/// Runs all targets, for `seconds` each.
pub(crate) fn run(seconds: Option<&str>) -> Result<Outcome, Error> {
    run_targets(seconds.map_or(Ok(SECONDS), parse)?)
}

/// Runs all targets for a short time.
pub(crate) fn run_in_ci() -> Result<Outcome, Error> {
    run_targets(SECONDS_IN_CI)
}

/// Runs all targets; skipped if cargo-fuzz is not installed.
fn run_targets(seconds: u64) -> Result<Outcome, Error> {
    if Cargo::new("fuzz --version").output().is_err() {
        return Ok(Outcome::Skipped(
            "cargo-fuzz is not installed (`cargo install cargo-fuzz --locked`)".to_owned(),
        ));
    }
    for target in TARGETS {
        run_target(target, seconds)?;
    }
    Ok(Outcome::Done)
}

fn parse(seconds: &str) -> Result<u64, Error> {
    seconds
        .parse()
        .map_err(|_| Error::new(format!("`{seconds}` is not a number of seconds")))
}

fn run_target(target: &str, seconds: u64) -> Result<Outcome, Error> {
    let build = metadata::read()?.target_directory.join("fuzz");
    // New inputs go to the target directory; the corpus in the repository has only selected inputs.
    let found = build.join("found").join(target);
    std::fs::create_dir_all(&found)
        .map_err(|error| Error::new(format!("cannot make {}: {error}", found.display())))?;
    let corpus: PathBuf = root().join("fuzz/corpus").join(target);
    Cargo::new("fuzz run --sanitizer none")
        .with_args([
            target,
            &found.display().to_string(),
            &corpus.display().to_string(),
        ])
        .with_args(["--", &format!("-max_total_time={seconds}"), "-timeout=10"])
        // Prints only the final statistics.
        .with_args(["-verbosity=0", "-print_final_stats=1"])
        .with_env("CARGO_TARGET_DIR", build.display().to_string())
        .with_env("RUSTC_BOOTSTRAP", "1")
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_listed_and_has_a_corpus() {
        let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        for target in TARGETS {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
            let corpus = std::fs::read_dir(root().join("fuzz/corpus").join(target));
            assert!(corpus.is_ok_and(|mut files| files.next().is_some()), "{target}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }

    #[test]
    fn seconds_must_be_a_number() {
        assert_eq!(parse("5").unwrap(), 5);
        assert!(parse("soon").is_err());
    }
}
