//! Assigns a slot number to each thread, the lowest free one first.
//!
//! There is one numbering per process rather than one per recorder: a thread looks up its slot with a single load, and
//! all that a recorder needs is that no two live threads have the same slot.

use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, PoisonError},
};

/// The slot of a thread that must not own memory: it is exiting and has released its slot.
pub(crate) const NONE: u32 = u32::MAX;
const UNASSIGNED: u32 = u32::MAX - 1;

static ALLOCATOR: SlotAllocator = SlotAllocator::new();

thread_local! {
    // Const-initialised and without a destructor, so that access is a single load.
    static SLOT: Cell<u32> = const { Cell::new(UNASSIGNED) };
    static RELEASE_ON_EXIT: ReleaseOnExit = const { ReleaseOnExit };
}

/// Returns the slot of the calling thread, or an index beyond every table if it has none yet.
#[inline]
pub(crate) fn assigned() -> usize {
    SLOT.with(Cell::get) as usize
}

/// Returns the slot of the calling thread, assigning one if necessary; [`NONE`] in a thread that is exiting.
pub(crate) fn get_or_assign() -> u32 {
    match SLOT.with(Cell::get) {
        UNASSIGNED => assign(),
        slot => slot,
    }
}

fn assign() -> u32 {
    // Fails while thread-locals are being destroyed: the slot would never be released.
    let slot = RELEASE_ON_EXIT.try_with(|_| ALLOCATOR.allocate()).unwrap_or(NONE);
    SLOT.with(|current| current.set(slot));
    slot
}

struct ReleaseOnExit;

impl Drop for ReleaseOnExit {
    fn drop(&mut self) {
        // Destructors of other thread-locals may still record, but no longer in the slot of the next owner.
        let slot = SLOT.with(|current| current.replace(NONE));
        ALLOCATOR.release(slot);
    }
}

/// The free slots.
///
/// The lock synchronises the hand-over: all stores of the previous owner happen before the loads of the next.
struct SlotAllocator(Mutex<FreeSlots>);

struct FreeSlots {
    released: BinaryHeap<Reverse<u32>>,
    next: u32,
}

impl SlotAllocator {
    const fn new() -> Self {
        Self(Mutex::new(FreeSlots {
            released: BinaryHeap::new(),
            next: 0,
        }))
    }

    fn allocate(&self) -> u32 {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Reverse(slot)) = free.released.pop() {
            return slot;
        }
        let slot = free.next;
        free.next += 1;
        slot
    }

    fn release(&self, slot: u32) {
        if slot < UNASSIGNED {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .released
                .push(Reverse(slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_slot_is_allocated() {
        let slots = SlotAllocator::new();
        assert_eq!([slots.allocate(), slots.allocate(), slots.allocate()], [0, 1, 2]);
        slots.release(1);
        slots.release(0);
        assert_eq!([slots.allocate(), slots.allocate(), slots.allocate()], [0, 1, 3]);
    }

    #[test]
    fn a_thread_keeps_its_slot_and_releases_it_on_exit() {
        let slot = || {
            let (first, second) = std::thread::spawn(|| (get_or_assign(), get_or_assign()))
                .join()
                .expect("does not panic");
            assert_eq!(first, second);
            first
        };
        // Other tests assign slots concurrently, so not every pair of threads gets the same one.
        let reused = (0..1_000).any(|_| slot() == slot());
        assert!(reused, "no slot was reused by the next thread");
    }
}
