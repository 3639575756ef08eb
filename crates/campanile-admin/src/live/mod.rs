//! The data of the live page: one sample a second, a history of samples, and the pages that are open.
//!
//! Samples are derived from the text of the metrics, so that any recorder works. They are taken even while no page is open, for
//! the history, but then for no more than a hundredth of a core. Each is serialized once, and all pages are sent the same bytes.

mod cpu_time;
mod feed;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod histogram;
mod metric_line;
mod sample;
mod sampler;
mod totals;

pub(crate) use self::feed::{DEFAULT_HISTORY, HISTORY_RANGE, LiveFeed, ServiceInfo};
#[cfg(fuzzing)]
pub use self::fuzz::check_samples;
pub(crate) use self::sampler::DEFAULT_LIVE_BYTES;
pub use self::sampler::Sampler;
