//! Finds an entry by where its name stands, without a look at the name.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Generations of slots, each four times the one before.
const GENERATIONS: usize = 11;
const FIRST: usize = 64;

/// Blocks by the addresses of their names. Written under the table's lock, read without one.
pub(super) struct PointerIndex<V: 'static> {
    current: AtomicUsize,
    generations: [OnceLock<Box<[Slot<V>]>>; GENERATIONS],
    len: AtomicUsize,
}

struct Slot<V: 'static> {
    /// Zero while the slot is free.
    place: AtomicU64,
    block: OnceLock<&'static V>,
}

/// Where a name stands, how long it is, and the tag of its key, in one number; zero where they do not fit, which is
/// nowhere with user space as it is.
#[inline]
fn place_of(tag: u8, name: &str) -> u64 {
    let address = name.as_ptr().addr() as u64;
    if address >> 48 == 0 && name.len() <= 255 {
        address | (name.len() as u64) << 48 | u64::from(tag) << 56
    } else {
        0
    }
}

/// Spreads a place over the slots, of which there is a power of two.
#[inline]
fn first_slot(place: u64, slots: usize) -> usize {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (slots - 1)
}

impl<V> PointerIndex<V> {
    pub(super) const fn new() -> Self {
        Self {
            current: AtomicUsize::new(0),
            generations: [const { OnceLock::new() }; GENERATIONS],
            len: AtomicUsize::new(0),
        }
    }

    /// Returns the block whose name was pinned at this place.
    #[inline]
    pub(super) fn find(&self, tag: u8, name: &str) -> Option<&'static V> {
        // Acquire: the generation was filled before it became the current one.
        let slots = self.generations[self.current.load(Ordering::Acquire)].get()?;
        let place = place_of(tag, name);
        let mut at = first_slot(place, slots.len());
        // Ends: a generation is never full.
        loop {
            let slot = slots.get(at)?;
            // Relaxed: the block is published by its own cell.
            match slot.place.load(Ordering::Relaxed) {
                0 => return None,
                seen if seen == place => return slot.block.get().copied(),
                _ => at = (at + 1) & (slots.len() - 1),
            }
        }
    }

    /// Puts the place of a name, unless it is there. Only for the holder of the table's lock.
    pub(super) fn put(&self, tag: u8, name: &str, block: &'static V) {
        let place = place_of(tag, name);
        if place != 0
            && self.find(tag, name).is_none()
            && let Some(slots) = self.make_room()
        {
            put(slots, place, block);
            self.len.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns slots of which a quarter is free; nothing where there are as many as there may be.
    fn make_room(&self) -> Option<&[Slot<V>]> {
        let current = self.current.load(Ordering::Relaxed);
        let old = self.generations[current].get_or_init(|| empty(FIRST));
        if (self.len.load(Ordering::Relaxed) + 1) * 4 <= old.len() * 3 {
            return Some(old);
        }
        let new = self
            .generations
            .get(current + 1)?
            .get_or_init(|| empty(old.len() * 4));
        for slot in old {
            if let Some(block) = slot.block.get() {
                put(new, slot.place.load(Ordering::Relaxed), block);
            }
        }
        // Release: as above.
        self.current.store(current + 1, Ordering::Release);
        Some(new)
    }
}

fn empty<V>(len: usize) -> Box<[Slot<V>]> {
    let free = || Slot {
        place: AtomicU64::new(0),
        block: OnceLock::new(),
    };
    std::iter::repeat_with(free).take(len).collect()
}

fn put<V>(slots: &[Slot<V>], place: u64, block: &'static V) {
    let mut at = first_slot(place, slots.len());
    while slots[at].place.load(Ordering::Relaxed) != 0 {
        at = (at + 1) & (slots.len() - 1);
    }
    // A reader between the two finds nothing, and looks for the name itself.
    slots[at].place.store(place, Ordering::Relaxed);
    let _ = slots[at].block.set(block);
}
