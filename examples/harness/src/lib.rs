//! Boots an example as a process and speaks to it, for the examples' tests.
//!
//! Every wait has an end, and says then what it waited for and what the process had said until there. The process
//! ends with the [`Example`], whatever happens in between.
#![forbid(unsafe_code)]

mod client;
mod process;

pub use self::client::{Answer, get};
pub use self::process::{Ended, Example};
