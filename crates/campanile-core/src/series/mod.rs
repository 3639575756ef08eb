//! Series whose handles are resolved once, under labels that are bounded.
//!
//! On the request path nobody builds a metrics key. A layer keeps one [`SeriesTable`] of blocks of handles; a look-up
//! is one hash and one comparison, without a lock, a reference count or an allocation. Each handle in a block is a
//! [`Lazy`]: resolved when first used, and never against a recorder that is not there yet. [`Names`] bounds what
//! strangers may make labels of.
//!
//! ```
//! use campanile_core::series::{Key, Lazy, SeriesTable, Source};
//!
//! struct Block {
//!     hits: Lazy<metrics::Counter>,
//! }
//!
//! static BLOCKS: SeriesTable<Block> = SeriesTable::new();
//!
//! let block = BLOCKS.get_or_insert(Key::new(0, "/users/{id}", ""), || Block { hits: Lazy::new() });
//! if let Some(hits) = block.hits.get(Source::Global, |recorder| {
//!     let key = metrics::Key::from_parts("hits_total", vec![metrics::Label::new("route", "/users/{id}")]);
//!     recorder.register_counter(&key, &campanile_core::series::METADATA)
//! }) {
//!     hits.increment(1);
//! }
//! ```

mod handles;
mod key;
mod names;
mod pins;
mod store;
mod table;

pub use self::{
    handles::{Kind, Lazy, METADATA, Metric, Source},
    key::Key,
    names::{FOLDED, FoldCounter, Names, OTHER},
    table::SeriesTable,
};
