//! What the live page is fed: a sample a second, a history of five minutes or as long as is wanted, and the pages that listen.
//!
//! Samples are made from the text of the metrics, so that any recorder will do. They are always made, since a page that is
//! opened wants to see what was; each is written once, and all pages are sent the same bytes.

mod hub;
mod line;
mod names;
mod quantiles;
#[cfg(any(test, fuzzing))]
mod replay;
mod sample;
mod sampler;
mod totals;

pub(crate) use self::hub::{About, LENGTH, LENGTHS, Live};
#[cfg(fuzzing)]
pub use self::replay::replay;
pub use self::sampler::Sampler;
