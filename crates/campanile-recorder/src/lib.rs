#![doc = include_str!("../README.md")]

mod bounds;
mod buckets;
mod cells;
mod exemplars;
mod gather;
mod handles;
mod labels;
mod layers;
mod memory;
mod names;
pub mod profile;
mod recorder;
mod registry;
mod render;
mod snapshot;
#[cfg(feature = "statsd")]
pub mod statsd;
mod sum;

#[doc(inline)]
pub use self::profile::Profile;
pub use self::{
    buckets::Matcher,
    exemplars::ExemplarLabels,
    labels::Labels,
    recorder::{Builder, CellRecorder},
    render::{Chunks, Format},
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
