//! Hands out places.

use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{Block, PAGE, Run};
use crate::memory::Memory;

/// Words in the largest block, 512 KiB.
const LARGEST: usize = 128 * PAGE;

/// Where the words of a series are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    block: Arc<Block>,
    words: Range<usize>,
}

impl Place {
    /// The words in which the calling thread, and no other, counts, once it has some.
    #[inline]
    pub(crate) fn own(&self) -> Option<&[AtomicU64]> {
        self.block.known(self.words.clone())
    }

    /// The words in which the calling thread is to count, made if it has none yet.
    pub(crate) fn run(&self) -> Run<'_> {
        self.block.find(self.words.clone())
    }

    /// The block's number and the first word's in it.
    pub(crate) fn position(&self) -> (u32, usize) {
        (self.block.number(), self.words.start)
    }

    /// The first of the words that all share.
    pub(crate) fn shared(&self) -> &AtomicU64 {
        self.block.shared(self.words.start)
    }

    /// The words of all: those that all share first, then those of the slots in their order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[AtomicU64]> {
        self.block.runs(self.words.clone())
    }

    /// The values of the first word, in the order of [`Self::runs`].
    pub(crate) fn values(&self) -> impl Iterator<Item = u64> {
        self.runs().map(|words| words[0].load(Relaxed))
    }
}

/// Hands out places, never twice, in blocks that are each a sixteenth of all before.
///
/// So a thread that counts in one series of many takes little memory for it, and yet there are few blocks.
#[derive(Debug)]
pub(crate) struct Space {
    memory: Memory,
    slots: usize,
    blocks: u32,
    /// Words in all blocks.
    total: usize,
    /// The last block, how many words of it are taken, and how many it has.
    current: Option<(Arc<Block>, usize, usize)>,
}

impl Space {
    pub(crate) fn new(memory: Memory, slots: usize) -> Self {
        Self {
            memory,
            slots,
            blocks: 0,
            total: 0,
            current: None,
        }
    }

    /// Takes a place of `len` words, which are zero.
    ///
    /// # Errors
    ///
    /// Where there is no memory, or no room on the disk.
    pub(crate) fn take(&mut self, len: usize) -> io::Result<Place> {
        if let Some((block, used, size)) = &mut self.current
            && *used + len <= *size
        {
            let first = *used;
            *used += len;
            return Ok(Place {
                block: Arc::clone(block),
                words: first..first + len,
            });
        }
        let share = (self.total / 16).min(LARGEST);
        let size = share.max(len).next_multiple_of(PAGE);
        let block = Arc::new(Block::new(self.blocks, self.memory.clone(), size, self.slots)?);
        self.blocks += 1;
        self.total += size;
        self.current = Some((Arc::clone(&block), len, size));
        Ok(Place { block, words: 0..len })
    }
}
