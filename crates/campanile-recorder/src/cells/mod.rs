//! The cells that metrics are recorded in: 64-bit words, one set per thread, summed when a snapshot is taken.
//!
//! A series has a *range* of cells: the same few words in the memory of every thread. Only the thread that owns the
//! memory writes there, so that recording is a load, an addition and a store. The cells of two threads are in different
//! 4 KiB, so no cache line is written by two threads, whatever the page size, and a series needs no padding.
//!
//! ```text
//!            range of a counter   range of a histogram
//!                   ↓              ↓ ↓ ↓ ↓ ↓
//! shared      [ . . 0 . . . . . .  0 0 0 0 0 . . ]   atomic read-modify-write: threads without a slot,
//! slot 0      [ . . 7 . . . . . .  1 0 4 0 s . . ]   and the value a gauge was set to
//! slot 1      [ . . 3 . . . . . .  0 2 0 0 s . . ]
//! ```
//!
//! - [`thread_slot`] assigns slots to threads. A slot is reused after its thread exits; the next owner continues from the
//!   values it finds.
//! - [`MappedWords`] is the memory, anonymous or a file that several processes map.
//! - [`CellBlock`] holds the cells of many series: the shared words, and those of each slot, allocated when the slot first
//!   records in the block.
//! - [`CellAllocator`] hands out ranges, block after block, each a sixteenth of the size of all before it.

mod allocator;
mod block;
mod mapped_words;
pub(crate) mod thread_slot;

pub(crate) use self::{
    allocator::{CellAllocator, CellRange},
    block::{CellBlock, ThreadCells, add_own, add_own_finite, add_own_float},
    mapped_words::{MappedWords, PAGE},
};
