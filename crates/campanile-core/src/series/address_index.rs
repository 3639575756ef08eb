//! Finds a value by the address of its name, without reading the name.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Generations of slots, each four times as large as the one before.
const GENERATIONS: usize = 11;
const FIRST_LEN: usize = 64;

/// Values by the addresses of their names. Written under the lock of the table, read without a lock.
pub(super) struct AddressIndex<V: 'static> {
    current: AtomicUsize,
    generations: [OnceLock<Box<[AddressSlot<V>]>>; GENERATIONS],
    len: AtomicUsize,
}

struct AddressSlot<V: 'static> {
    /// Zero while the slot is free.
    address: AtomicU64,
    value: OnceLock<&'static V>,
}

/// Packs the address and the length of a name and the tag of its key into one number. Zero if they do not fit, which
/// does not happen with 48-bit user space.
#[inline]
fn packed_address(tag: u8, name: &str) -> u64 {
    let address = name.as_ptr().addr() as u64;
    if address >> 48 == 0 && name.len() <= 255 {
        address | (name.len() as u64) << 48 | u64::from(tag) << 56
    } else {
        0
    }
}

/// Returns the slot where probing begins. The number of slots is a power of two.
#[inline]
fn first_slot(address: u64, slots: usize) -> usize {
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (slots - 1)
}

impl<V> AddressIndex<V> {
    pub(super) const fn new() -> Self {
        Self {
            current: AtomicUsize::new(0),
            generations: [const { OnceLock::new() }; GENERATIONS],
            len: AtomicUsize::new(0),
        }
    }

    /// Returns the value that was inserted under the address of this name.
    #[inline]
    pub(super) fn find(&self, tag: u8, name: &str) -> Option<&'static V> {
        // Acquire: the generation was filled before it became the current one.
        let slots = self.generations[self.current.load(Ordering::Acquire)].get()?;
        let address = packed_address(tag, name);
        let mut at = first_slot(address, slots.len());
        // Terminates: a generation is never full.
        loop {
            let slot = slots.get(at)?;
            // Relaxed: the value is published by its own `OnceLock`.
            match slot.address.load(Ordering::Relaxed) {
                0 => return None,
                found if found == address => return slot.value.get().copied(),
                _ => at = (at + 1) & (slots.len() - 1),
            }
        }
    }

    /// Inserts a value under the address of its name, unless it is indexed already. The caller holds the lock of the
    /// table.
    pub(super) fn insert(&self, tag: u8, name: &str, value: &'static V) {
        let address = packed_address(tag, name);
        if address != 0
            && self.find(tag, name).is_none()
            && let Some(slots) = self.reserve()
        {
            insert(slots, address, value);
            self.len.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns slots of which at least a quarter is free; `None` if the last generation is full.
    fn reserve(&self) -> Option<&[AddressSlot<V>]> {
        let current = self.current.load(Ordering::Relaxed);
        let old = self.generations[current].get_or_init(|| empty(FIRST_LEN));
        if (self.len.load(Ordering::Relaxed) + 1) * 4 <= old.len() * 3 {
            return Some(old);
        }
        let new = self
            .generations
            .get(current + 1)?
            .get_or_init(|| empty(old.len() * 4));
        for slot in old {
            if let Some(value) = slot.value.get() {
                insert(new, slot.address.load(Ordering::Relaxed), value);
            }
        }
        // Release: pairs with the load in `find`.
        self.current.store(current + 1, Ordering::Release);
        Some(new)
    }
}

fn empty<V>(len: usize) -> Box<[AddressSlot<V>]> {
    let free = || AddressSlot {
        address: AtomicU64::new(0),
        value: OnceLock::new(),
    };
    std::iter::repeat_with(free).take(len).collect()
}

fn insert<V>(slots: &[AddressSlot<V>], address: u64, value: &'static V) {
    let mut at = first_slot(address, slots.len());
    while slots[at].address.load(Ordering::Relaxed) != 0 {
        at = (at + 1) & (slots.len() - 1);
    }
    // A reader between the two stores finds no value and falls back to the hash table.
    slots[at].address.store(address, Ordering::Relaxed);
    let _ = slots[at].value.set(value);
}
