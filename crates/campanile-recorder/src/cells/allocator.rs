//! Allocates ranges of cells.

use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{CellBlock, PAGE, ThreadCells};
use crate::storage::CellStorage;

/// Words in the largest block, 512 KiB.
const MAX_BLOCK: usize = 128 * PAGE;

/// The cells of a series: a range of words in a block.
#[derive(Debug, Clone)]
pub(crate) struct CellRange {
    block: Arc<CellBlock>,
    words: Range<usize>,
}

impl CellRange {
    /// Returns the cells of the calling thread, if they are allocated already.
    #[inline]
    pub(crate) fn own(&self) -> Option<&[AtomicU64]> {
        self.block.own(self.words.clone())
    }

    /// Returns the cells in which the calling thread records, allocating them if necessary.
    pub(crate) fn of_thread(&self) -> ThreadCells<'_> {
        self.block.of_thread(self.words.clone())
    }

    /// Returns the number of the block, and the index of the first word in it.
    pub(crate) fn position(&self) -> (u32, usize) {
        (self.block.number(), self.words.start)
    }

    /// Returns the first of the cells that all threads share.
    pub(crate) fn shared(&self) -> &AtomicU64 {
        self.block.shared(self.words.start)
    }

    /// Returns the cells of all threads: the shared ones first, then by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[AtomicU64]> {
        self.block.iter(self.words.clone())
    }

    /// Returns the value of the first cell of each thread, in the order of [`Self::iter`].
    pub(crate) fn values(&self) -> impl Iterator<Item = u64> {
        self.iter().map(|cells| cells[0].load(Relaxed))
    }
}

/// Allocates ranges of cells in blocks, each a sixteenth of the size of all before it.
///
/// A thread that records in one series of many then allocates little, and the number of blocks stays small.
#[derive(Debug)]
pub(crate) struct CellAllocator {
    storage: CellStorage,
    slots: usize,
    blocks: u32,
    /// Words in all blocks.
    total: usize,
    current: Option<CurrentBlock>,
}

/// The block that ranges are allocated from.
#[derive(Debug)]
struct CurrentBlock {
    block: Arc<CellBlock>,
    used: usize,
    len: usize,
}

impl CellAllocator {
    pub(crate) fn new(storage: CellStorage, slots: usize) -> Self {
        Self {
            storage,
            slots,
            blocks: 0,
            total: 0,
            current: None,
        }
    }

    /// Allocates a range of `len` zeroed words.
    ///
    /// # Errors
    ///
    /// If there is no memory or disk space left.
    pub(crate) fn allocate(&mut self, len: usize) -> io::Result<CellRange> {
        if let Some(current) = &mut self.current
            && current.used + len <= current.len
        {
            let first = current.used;
            current.used += len;
            return Ok(CellRange {
                block: Arc::clone(&current.block),
                words: first..first + len,
            });
        }
        let share = (self.total / 16).min(MAX_BLOCK);
        let size = share.max(len).next_multiple_of(PAGE);
        let block = Arc::new(CellBlock::new(
            self.blocks,
            self.storage.clone(),
            size,
            self.slots,
        )?);
        self.blocks += 1;
        self.total += size;
        self.current = Some(CurrentBlock {
            block: Arc::clone(&block),
            used: len,
            len: size,
        });
        Ok(CellRange { block, words: 0..len })
    }
}
