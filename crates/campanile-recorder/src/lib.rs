//! A `metrics` recorder with fixed memory.

mod labels;
mod snapshot;

pub use self::{
    labels::Labels,
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
