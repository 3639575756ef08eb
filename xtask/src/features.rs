//! Checks that every library compiles without features, with each one, with all, and for other systems.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::metadata;
use crate::step::{Cargo, Outcome};
use crate::targets;

/// Checks each combination of each library, and reports all failures.
pub(crate) fn run() -> Result<Outcome, Error> {
    let metadata = metadata::read()?;
    let mut failed = Vec::new();
    for package in metadata.libraries().filter(|package| package.has_library()) {
        for flags in combinations(&package.features) {
            let check = Cargo::new("check -p")
                .with_args([&package.name])
                .with_args(flags.split_whitespace());
            if check.run().is_err() {
                failed.push(format!("{} {flags}", package.name));
            }
        }
    }
    let targets = targets::run(metadata.libraries().filter(|package| package.has_library()));
    if failed.is_empty() {
        targets
    } else {
        if let Err(error) = targets {
            failed.push(error.to_string());
        }
        Err(Error::new(format!("does not compile: {}", failed.join("; "))))
    }
}

/// Returns the flags of each `cargo check`; only one for a crate without features.
fn combinations(features: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut flags = vec![String::from("--no-default-features")];
    flags.extend(
        features
            .keys()
            .map(|feature| format!("--no-default-features --features {feature}")),
    );
    if !features.is_empty() {
        flags.push(String::from("--all-features"));
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_none_each_and_all() {
        let features = BTreeMap::from([("tls".to_owned(), vec![]), ("json".to_owned(), vec![])]);
        assert_eq!(
            combinations(&features),
            [
                "--no-default-features",
                "--no-default-features --features json",
                "--no-default-features --features tls",
                "--all-features",
            ]
        );
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(combinations(&BTreeMap::new()), ["--no-default-features"]);
    }
}
