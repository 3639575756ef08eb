//! Hands out places.

use std::{io, sync::Arc};

use super::{Block, PAGE};
use crate::memory::Memory;

/// Words in the largest block, 512 KiB.
const LARGEST: usize = 128 * PAGE;

/// Where the words of a series are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) block: Arc<Block>,
    pub(crate) first: usize,
    pub(crate) len: usize,
}

/// Hands out places, never twice, in blocks that double in size.
#[derive(Debug)]
pub(crate) struct Space {
    memory: Memory,
    slots: usize,
    blocks: u32,
    current: Option<(Arc<Block>, usize, usize)>,
}

impl Space {
    pub(crate) fn new(memory: Memory, slots: usize) -> Self {
        Self {
            memory,
            slots,
            blocks: 0,
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
                first,
                len,
            });
        }
        let next = self
            .current
            .as_ref()
            .map_or(PAGE, |(_, _, size)| (size * 2).min(LARGEST));
        let size = next.max(len.next_multiple_of(PAGE));
        let block = Arc::new(Block::new(self.blocks, self.memory.clone(), size, self.slots)?);
        self.blocks += 1;
        self.current = Some((Arc::clone(&block), len, size));
        Ok(Place { block, first: 0, len })
    }
}
