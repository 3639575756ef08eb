//! A range of places, in the memory of every thread that counts there.

use std::{
    fmt,
    ops::Range,
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

    /// The words of the calling thread, if it counted here before.
    #[inline]
    pub(super) fn known(&self, words: Range<usize>) -> Option<&[AtomicU64]> {
        self.own.get(slot::known())?.get()?.as_slice().get(words)
    }

    /// The words in which the calling thread is to count. Makes those of a slot that has none yet.
    #[cold]
    pub(super) fn find(&self, words: Range<usize>) -> Run<'_> {
        let number = slot::current();
        let own = self.own.get(number as usize).map(|own| {
            own.get_or_init(|| {
                let len = self.shared.as_slice().len();
                let made = self.memory.words(self.number, Some(number), len);
                made.unwrap_or_else(|_| Words::none())
            })
        });
        match own.and_then(|own| own.as_slice().get(words.clone())) {
            Some(own) => Run::Own(own),
            None => Run::Shared(&self.shared.as_slice()[words]),
        }
    }

    /// The words that all share.
    pub(super) fn shared(&self, word: usize) -> &AtomicU64 {
        &self.shared.as_slice()[word]
    }

    /// The words at a place: the shared first, then those of the slots in their order.
    pub(super) fn runs(&self, words: Range<usize>) -> impl Iterator<Item = &[AtomicU64]> {
        let own = self.own.iter().filter_map(OnceLock::get);
        std::iter::once(&self.shared)
            .chain(own)
            .filter_map(move |run| run.as_slice().get(words.clone()))
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

/// The words of a series in which a thread counts.
#[derive(Debug)]
pub(crate) enum Run<'a> {
    /// It alone writes them.
    Own(&'a [AtomicU64]),
    /// Anybody may.
    Shared(&'a [AtomicU64]),
}

impl Run<'_> {
    /// Adds to a word.
    pub(crate) fn add(&self, index: usize, value: u64) {
        match self {
            Self::Own(words) => add_own(&words[index], value),
            Self::Shared(words) => {
                words[index].fetch_add(value, Relaxed);
            }
        }
    }

    /// Adds to a word that is a floating-point number, unless the sum were not finite.
    pub(crate) fn add_finite(&self, index: usize, value: f64) {
        match self {
            Self::Own(words) => add_own_finite(&words[index], value),
            Self::Shared(words) => {
                let plus = |bits| {
                    let sum = f64::from_bits(bits) + value;
                    // A gauge may have been set to what is not finite; then there is nothing to add to.
                    sum.is_finite().then(|| sum.to_bits())
                };
                let _ = words[index].fetch_update(Relaxed, Relaxed, plus);
            }
        }
    }
}

/// Adds to a word that nobody but the calling thread writes.
#[inline]
pub(crate) fn add_own(word: &AtomicU64, value: u64) {
    word.store(word.load(Relaxed).wrapping_add(value), Relaxed);
}

/// Adds to a word that is a floating-point number, and that nobody but the calling thread writes.
#[inline]
pub(crate) fn add_own_float(word: &AtomicU64, value: f64) {
    word.store((f64::from_bits(word.load(Relaxed)) + value).to_bits(), Relaxed);
}

/// As [`add_own_float`], unless the sum were not finite.
#[inline]
pub(crate) fn add_own_finite(word: &AtomicU64, value: f64) {
    let sum = f64::from_bits(word.load(Relaxed)) + value;
    if sum.is_finite() {
        word.store(sum.to_bits(), Relaxed);
    }
}
