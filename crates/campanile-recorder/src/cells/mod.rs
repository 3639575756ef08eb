//! Where the counts are: words of 64 bits, a set of them for each thread, added up when somebody looks.
//!
//! A series has a *place*: the same few words in every thread's memory. The thread that owns the memory alone writes
//! there, so that to count is a load, an addition and a store. What two threads count lies in different 4 KiB: no
//! cache line is written by two of them, however large pages are, and a series costs no padding.
//!
//! ```text
//!            place of a counter   place of a histogram
//!                   ↓              ↓ ↓ ↓ ↓ ↓
//! shared      [ . . 0 . . . . . .  0 0 0 0 0 . . ]   written by locked instructions: threads without a slot,
//! slot 0      [ . . 7 . . . . . .  1 0 4 0 s . . ]   and what a gauge was set to
//! slot 1      [ . . 3 . . . . . .  0 2 0 0 s . . ]
//! ```
//!
//! - [`slot`] numbers the threads that live. A thread that ends gives its number back, and whoever gets it goes on from
//!   the values that it finds.
//! - [`Words`] is memory that others may write, on the heap of this process or in a file that several share.
//! - [`Block`] holds a range of places: the words of each slot, made when that slot first counts there.
//! - [`Space`] hands out places, block after block, each a sixteenth of all before it.

mod block;
pub(crate) mod slot;
mod space;
mod words;

pub(crate) use self::{
    block::{Block, Run, add_own, add_own_finite, add_own_float},
    space::{Place, Space},
    words::{PAGE, Words},
};
