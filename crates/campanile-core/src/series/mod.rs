//! Blocks of metric handles under bounded labels, found without a lock.
//!
//! A layer keeps one [`SeriesTable`] of blocks of handles: a look-up is one hash and one comparison, without a lock, a
//! reference count or an allocation, so that no request builds a metrics key.

mod entries;
mod pointer_index;
mod table;

pub use self::table::{Key, SeriesTable};
