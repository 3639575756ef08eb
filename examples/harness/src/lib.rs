//! Runs an example as a process and sends requests to it, for the tests of the examples.
//!
//! All waits time out with a panic, whose message includes the output of the process so far. Dropping an [`Example`] kills the
//! process.
#![forbid(unsafe_code)]

mod client;
mod process;

pub use self::client::{FullResponse, get};
pub use self::process::{Example, ExampleOutput};
