//! Compares the shutdown of servers under load: builds and runs `campanile-drain`.
//!
//! It needs only loopback. nginx and haproxy are included if they are installed.

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// Builds the comparison and runs it; fails if campanile lost a request.
pub(crate) fn run(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("run --release -p campanile-drain --")
        .with_args(args)
        .run()
}
