//! Metric handles by their label values, found without a lock.
//!
//! A layer keeps its handles in a [`SeriesTable`]: a lookup is one hash and one comparison, without a lock, a reference
//! count or an allocation, so that no request builds a metrics key.

mod address_index;
mod entries;
mod table;

pub use self::table::{SeriesKey, SeriesTable};
