//! Runs all rules and prints what they found.

use crate::error::Error;
use crate::step::Outcome;
use crate::tidy::finding::{Finding, Severity};
use crate::tidy::repository::Repository;
use crate::tidy::{
    arrows, changelog, file_size, manifests, metric_names, module_docs, prose, readme, todos, unsafe_fence,
    workspace_dependencies,
};

type Rule = (&'static str, fn(&Repository) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("arrows", arrows::check),
    ("module_docs", module_docs::check),
    ("file_size", file_size::check),
    ("changelog", changelog::check),
    ("metric_names", metric_names::check),
    ("prose", prose::check),
    ("todos", todos::check),
    ("workspace_dependencies", workspace_dependencies::check),
    ("manifests", manifests::check),
    ("unsafe_fence", unsafe_fence::check),
    ("readme", readme::check),
];

/// Prints every finding; only errors fail the run.
pub(crate) fn run() -> Result<Outcome, Error> {
    let repository = Repository::read()?;
    let mut errors = 0;
    let mut warnings = 0;
    for (rule, check) in RULES {
        for finding in check(&repository) {
            match finding.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
                Severity::Note => {}
            }
            println!("{rule}: {finding}");
        }
    }
    println!(
        "tidy: {} rules, {errors} errors, {warnings} warnings",
        RULES.len()
    );
    if errors == 0 {
        Ok(Outcome::Done)
    } else {
        Err(Error::new(format!("tidy found {errors} errors")))
    }
}
