//! A `metrics` recorder with fixed memory.

mod labels;
mod snapshot;
#[cfg(feature = "statsd")]
pub mod statsd;

pub use self::{
    labels::Labels,
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
