//! A block of cells, in the memory of every thread that records there.

use std::{
    fmt,
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{MappedWords, thread_slot};
use crate::storage::CellStorage;

/// A block of cells: words that all threads share, and words of each thread slot.
pub(crate) struct CellBlock {
    number: u32,
    storage: CellStorage,
    shared: MappedWords,
    /// The words of each slot; empty if they could not be allocated, so that the thread uses the shared words.
    own: Box<[OnceLock<MappedWords>]>,
}

impl CellBlock {
    /// Creates a block for up to `slots` threads.
    pub(crate) fn new(number: u32, storage: CellStorage, len: usize, slots: usize) -> std::io::Result<Self> {
        let shared = storage.map_block(number, None, len)?;
        let own = (0..slots).map(|_| OnceLock::new()).collect();
        Ok(Self {
            number,
            storage,
            shared,
            own,
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the cells of the calling thread, if they are allocated already.
    #[inline]
    pub(super) fn own(&self, words: Range<usize>) -> Option<&[AtomicU64]> {
        self.own
            .get(thread_slot::assigned())?
            .get()?
            .as_slice()
            .get(words)
    }

    /// Returns the cells in which the calling thread records, allocating them if necessary.
    #[cold]
    pub(super) fn of_thread(&self, words: Range<usize>) -> ThreadCells<'_> {
        let slot = thread_slot::get_or_assign();
        let own = self.own.get(slot as usize).map(|own| {
            own.get_or_init(|| {
                let len = self.shared.as_slice().len();
                let mapped = self.storage.map_block(self.number, Some(slot), len);
                mapped.unwrap_or_else(|_| MappedWords::empty())
            })
        });
        match own.and_then(|own| own.as_slice().get(words.clone())) {
            Some(own) => ThreadCells::Own(own),
            None => ThreadCells::Shared(&self.shared.as_slice()[words]),
        }
    }

    /// Returns a word that all threads share.
    pub(super) fn shared(&self, word: usize) -> &AtomicU64 {
        &self.shared.as_slice()[word]
    }

    /// Returns the cells of all threads: the shared ones first, then by slot.
    pub(super) fn iter(&self, words: Range<usize>) -> impl Iterator<Item = &[AtomicU64]> {
        let own = self.own.iter().filter_map(OnceLock::get);
        std::iter::once(&self.shared)
            .chain(own)
            .filter_map(move |mapped| mapped.as_slice().get(words.clone()))
    }
}

impl fmt::Debug for CellBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellBlock")
            .field("number", &self.number)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// The cells of a series in which a thread records.
#[derive(Debug)]
pub(crate) enum ThreadCells<'a> {
    /// Written by this thread only.
    Own(&'a [AtomicU64]),
    /// Written by any thread.
    Shared(&'a [AtomicU64]),
}

impl ThreadCells<'_> {
    /// Adds to a word.
    pub(crate) fn add(&self, index: usize, value: u64) {
        match self {
            Self::Own(words) => add_own(&words[index], value),
            Self::Shared(words) => {
                words[index].fetch_add(value, Relaxed);
            }
        }
    }

    /// Adds to a float, unless the sum is not finite.
    pub(crate) fn add_finite(&self, index: usize, value: f64) {
        match self {
            Self::Own(words) => add_own_finite(&words[index], value),
            Self::Shared(words) => {
                let plus = |bits| {
                    let sum = f64::from_bits(bits) + value;
                    sum.is_finite().then(|| sum.to_bits())
                };
                let _ = words[index].fetch_update(Relaxed, Relaxed, plus);
            }
        }
    }
}

/// Adds to a word that only the calling thread writes.
#[inline]
pub(crate) fn add_own(word: &AtomicU64, value: u64) {
    word.store(word.load(Relaxed).wrapping_add(value), Relaxed);
}

/// Adds to a float that only the calling thread writes.
#[inline]
pub(crate) fn add_own_float(word: &AtomicU64, value: f64) {
    word.store((f64::from_bits(word.load(Relaxed)) + value).to_bits(), Relaxed);
}

/// Adds to a float that only the calling thread writes, unless the sum is not finite.
#[inline]
pub(crate) fn add_own_finite(word: &AtomicU64, value: f64) {
    let sum = f64::from_bits(word.load(Relaxed)) + value;
    if sum.is_finite() {
        word.store(sum.to_bits(), Relaxed);
    }
}
