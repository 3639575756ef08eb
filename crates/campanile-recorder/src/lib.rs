#![doc = include_str!("../README.md")]

mod bounds;
mod buckets;
mod cells;
mod exemplars;
mod gather;
mod handles;
mod labels;
mod memory;
mod names;
mod recorder;
mod registry;
mod render;
mod snapshot;
mod sum;

pub use self::{
    buckets::Matcher,
    exemplars::ExemplarLabels,
    labels::Labels,
    recorder::{Builder, CellRecorder},
    render::{Chunks, Format},
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
