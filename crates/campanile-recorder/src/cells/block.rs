//! A range of places, in the memory of every thread that counts there.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{Words, slot};
use crate::memory::Memory;

/// A range of places: words that all share, and words of each slot.
pub(crate) struct Block {
    number: u32,
    memory: Memory,
    shared: Words,
    /// Words of the slots. Without length where there was no memory for them: such a thread counts among the shared.
    own: Box<[OnceLock<Words>]>,
}

impl Block {
    /// Makes a block in which `slots` threads can have words of their own.
    pub(crate) fn new(number: u32, memory: Memory, len: usize, slots: usize) -> std::io::Result<Self> {
        let shared = memory.words(number, None, len)?;
        let own = (0..slots).map(|_| OnceLock::new()).collect();
        Ok(Self {
            number,
            memory,
            shared,
            own,
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Calls `own` with the calling thread's words from `place` on, `len` of them, or `shared` with those that all share.
    #[inline]
    pub(crate) fn count<T>(
        &self,
        place: usize,
        len: usize,
        own: impl FnOnce(&[AtomicU64]) -> T,
        shared: impl FnOnce(&[AtomicU64]) -> T,
    ) -> T {
        let words = self.own.get(slot::current() as usize).and_then(OnceLock::get);
        match words.and_then(|words| words.as_slice().get(place..place + len)) {
            Some(words) => own(words),
            None => self.count_first(place, len, own, shared),
        }
    }

    /// Makes words for a slot that has none yet.
    #[cold]
    fn count_first<T>(
        &self,
        place: usize,
        len: usize,
        own: impl FnOnce(&[AtomicU64]) -> T,
        shared: impl FnOnce(&[AtomicU64]) -> T,
    ) -> T {
        let number = slot::current();
        let words = self.own.get(number as usize).map(|words| {
            words.get_or_init(|| {
                self.memory
                    .words(self.number, Some(number), self.shared.as_slice().len())
                    .unwrap_or_else(|_| Words::none())
            })
        });
        match words.and_then(|words| words.as_slice().get(place..place + len)) {
            Some(words) => own(words),
            None => shared(&self.shared.as_slice()[place..place + len]),
        }
    }

    /// The words that all share.
    pub(crate) fn shared(&self, place: usize) -> &AtomicU64 {
        &self.shared.as_slice()[place]
    }

    /// The values of a word: that of the shared first, then those of the slots in their order.
    pub(crate) fn values(&self, place: usize) -> impl Iterator<Item = u64> {
        self.runs(place, 1).map(|words| words[0].load(Relaxed))
    }

    /// The words at a place: the shared first, then those of the slots in their order.
    pub(crate) fn runs(&self, place: usize, len: usize) -> impl Iterator<Item = &[AtomicU64]> {
        let own = self.own.iter().filter_map(OnceLock::get);
        std::iter::once(&self.shared)
            .chain(own)
            .filter_map(move |words| words.as_slice().get(place..place + len))
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("number", &self.number)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// Adds to a word that the calling thread alone writes.
#[inline]
pub(crate) fn add_own(word: &AtomicU64, value: u64) {
    word.store(word.load(Relaxed).wrapping_add(value), Relaxed);
}

/// Adds to a floating-point word that the calling thread alone writes.
#[inline]
pub(crate) fn add_own_float(word: &AtomicU64, value: f64) {
    word.store((f64::from_bits(word.load(Relaxed)) + value).to_bits(), Relaxed);
}

/// Adds to a word that anybody may write.
pub(crate) fn add_shared(word: &AtomicU64, value: u64) {
    word.fetch_add(value, Relaxed);
}

/// Adds to a floating-point word that anybody may write.
pub(crate) fn add_shared_float(word: &AtomicU64, value: f64) {
    // Never gives up: the closure always has a value.
    let _ = word.fetch_update(Relaxed, Relaxed, |bits| {
        Some((f64::from_bits(bits) + value).to_bits())
    });
}
