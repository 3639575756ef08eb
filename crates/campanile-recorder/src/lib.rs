//! A `metrics` recorder with fixed memory.

mod labels;
pub mod profile;
mod snapshot;

#[doc(inline)]
pub use self::profile::Profile;
pub use self::{
    labels::Labels,
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
