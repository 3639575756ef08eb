//! How servers stop under load, side by side: a release build of `campanile-drain`, and a run of it.
//!
//! It needs nothing but loopback. nginx and haproxy are stopped too where they are installed; where not, their rows say so.

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// Builds the comparison and runs it; fails if campanile lost a request.
pub(crate) fn run(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("run --release -p campanile-drain --")
        .with_args(args)
        .run()
}
