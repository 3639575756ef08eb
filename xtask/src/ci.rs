//! The checks of CI, without the tests.

use std::time::Instant;

use crate::error::Error;
use crate::step::{Outcome, skip_nothing};
use crate::summary::Summary;
use crate::{callgrind, commands, features, fuzz, tidy};

type Step = (&'static str, fn() -> Result<Outcome, Error>);

const STEPS: &[Step] = &[
    ("fmt", commands::fmt_check),
    ("tidy", tidy::run),
    ("lint", commands::lint),
    ("doc", commands::doc),
    ("features", features::run),
    ("deny", commands::deny),
    ("loom", commands::loom),
    ("fuzz", fuzz::run_in_ci),
    ("callgrind", || callgrind::run(Some("tower: metrics"))),
    ("demo", commands::demo),
];

/// Runs every step, also after a failure, so that one run reports all failures.
pub(crate) fn run() -> Result<Outcome, Error> {
    let mut summary = Summary::default();
    for (name, step) in STEPS {
        println!("== {name}");
        let start = Instant::now();
        let result = step().and_then(|outcome| outcome.or_fail(skip_nothing()));
        if let Err(error) = &result {
            eprintln!("xtask: {error}");
        }
        summary.push(name, result, start.elapsed());
    }
    print!("\n{summary}");
    let failed = summary.failed();
    if failed.is_empty() {
        Ok(Outcome::Done)
    } else {
        Err(Error::new(format!("failed: {}", failed.join(", "))))
    }
}
