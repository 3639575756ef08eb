//! The table of series: rarely written, read by each request.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    address_index::AddressIndex,
    entries::{Entries, Entry},
};

/// Generations of slots, each eight times as large as the one before.
const GENERATIONS: usize = 8;
const FIRST_LEN: usize = 64;

/// A hash table that only grows, and whose readers take no lock. Its values are structs of metric handles.
///
/// Entries live as long as the table. A layer keeps its table for the life of the process, so that a request can hold a
/// plain reference to an entry.
///
/// Open addressing: a slot has eight bytes, half of a hash and the index of an entry, so that eight slots share a cache
/// line and probing past other keys follows no pointer. An entry holds a short key inline and begins with a cache line,
/// so that a value can put the fields that each request reads into its first line. [`Self::get_by_address`] finds a
/// value without hashing or reading the name.
///
/// The table grows by generations: a new array of slots receives all slots of the old one, which stays for concurrent
/// readers; entries never move. [`OnceLock`]s and the atomic slots publish everything, without unsafe code.
pub struct SeriesTable<V: 'static>(OnceLock<Box<Inner<V>>>);

struct Inner<V: 'static> {
    hasher: foldhash::fast::FixedState,
    current: AtomicUsize,
    generations: [OnceLock<Box<[HashSlot]>>; GENERATIONS],
    entries: Entries<V>,
    addresses: AddressIndex<V>,
    len: AtomicUsize,
    write_lock: Mutex<()>,
}

/// Half of a hash, and below it the index of an entry plus one; zero while the slot is free.
type HashSlot = AtomicU64;

/// The key of a series: a small number, such as a method's, and up to two names. Names are compared separately, not
/// joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesKey<'a> {
    pub(super) tag: u8,
    pub(super) first: &'a str,
    pub(super) second: &'a str,
}

impl<'a> SeriesKey<'a> {
    /// Makes a key. `second` is empty if one name is enough.
    #[inline]
    #[must_use]
    pub const fn new(tag: u8, first: &'a str, second: &'a str) -> Self {
        Self { tag, first, second }
    }
}

impl<V> SeriesTable<V> {
    /// Makes an empty table, without an allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.get().map_or(0, |inner| inner.len.load(Ordering::Relaxed))
    }

    /// Returns whether the table has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a key.
    #[inline]
    pub fn get(&self, key: SeriesKey<'_>) -> Option<&V> {
        let inner = self.0.get()?;
        inner.find(inner.hash(&key), &key)
    }

    /// Returns the value of a key; inserts the one that `make` returns if there is none, under a lock.
    ///
    /// `make` must not insert into the same table, which would deadlock.
    #[inline]
    pub fn get_or_insert(&self, key: SeriesKey<'_>, make: impl FnOnce() -> V) -> &V {
        match self.get(key) {
            Some(value) => value,
            None => {
                let inner = self.0.get_or_init(|| Box::new(Inner::new()));
                inner.insert(inner.hash(&key), &key, make)
            }
        }
    }

    /// Calls `f` with the names and the value of each entry, in the order of insertion.
    pub fn for_each(&self, mut f: impl FnMut(&str, &str, &V)) {
        let Some(inner) = self.0.get() else { return };
        for entry in (0..self.len()).filter_map(|index| inner.entries.get(index)) {
            let (first, second) = entry.names();
            f(first, second, &entry.value);
        }
    }

    /// Returns the value of a one-name key by the address of the name, if it was [indexed](Self::index_address).
    ///
    /// Does not read the name, which is not in a near cache if there are many names.
    #[inline]
    pub fn get_by_address(&self, tag: u8, name: &str) -> Option<&'static V> {
        self.0.get()?.addresses.find(tag, name)
    }

    /// Makes the value of a one-name key available to [`Self::get_by_address`]. Takes a lock; has no effect without
    /// such a key.
    ///
    /// The name must stay at its address for the life of the process. Otherwise a later name at the same address would
    /// be mistaken for it.
    #[cold]
    pub fn index_address(&'static self, tag: u8, name: &str) {
        let Some(inner) = self.0.get() else { return };
        let _guard = inner.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let key = SeriesKey::new(tag, name, "");
        if let Some(value) = inner.find(inner.hash(&key), &key) {
            inner.addresses.insert(tag, name, value);
        }
    }
}

impl<V> Inner<V> {
    fn new() -> Self {
        let this = Self {
            // A random seed per table: a client that chooses names cannot cause collisions.
            hasher: foldhash::fast::FixedState::with_seed(std::hash::RandomState::new().hash_one(0_u64)),
            current: AtomicUsize::new(0),
            generations: [const { OnceLock::new() }; GENERATIONS],
            entries: Entries::new(),
            addresses: AddressIndex::new(),
            len: AtomicUsize::new(0),
            write_lock: Mutex::new(()),
        };
        this.generations[0].get_or_init(|| empty(FIRST_LEN));
        this
    }

    /// Returns the half of the hash that slots hold.
    #[inline]
    fn hash(&self, key: &SeriesKey<'_>) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.first.as_bytes());
        if !key.second.is_empty() {
            hasher.write(key.second.as_bytes());
        }
        // The tag only has to change the slot; keys are compared anyway.
        let hash = hasher.finish() ^ u64::from(key.tag).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as u32
    }

    #[inline]
    fn slots(&self) -> &[HashSlot] {
        // Acquire: a generation is filled before it becomes current.
        self.generations[self.current.load(Ordering::Acquire)]
            .get()
            .expect("filled before it became current")
    }

    #[inline]
    fn find(&self, hash: u32, key: &SeriesKey<'_>) -> Option<&V> {
        let slots = self.slots();
        let mask = slots.len() - 1;
        let mut at = hash as usize & mask;
        // Terminates: a generation is at most half full.
        loop {
            // Acquire: the entry is set before the slot that refers to it.
            let slot = slots[at].load(Ordering::Acquire);
            let index = (slot as u32).checked_sub(1)?;
            if (slot >> 32) as u32 == hash
                && let Some(entry) = self.entries.get(index as usize)
                && entry.is(key)
            {
                return Some(&entry.value);
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn insert(&self, hash: u32, key: &SeriesKey<'_>, make: impl FnOnce() -> V) -> &V {
        let guard = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.find(hash, key) {
            return value;
        }
        let index = self.len.load(Ordering::Relaxed);
        self.entries.set(index, Entry::new(key, make()));
        self.reserve(index + 1);
        insert(self.slots(), u64::from(hash) << 32 | (index + 1) as u64);
        self.len.store(index + 1, Ordering::Relaxed);
        drop(guard);
        self.find(hash, key).expect("inserted above, and entries stay")
    }

    /// Grows the slots so that they are at most half full with `len` entries.
    fn reserve(&self, len: usize) {
        let current = self.current.load(Ordering::Relaxed);
        let old = self.slots();
        // The last generation has room for 67 million entries, far beyond the callers' limits.
        if len * 2 <= old.len() || current + 1 == GENERATIONS {
            return;
        }
        let new = self.generations[current + 1].get_or_init(|| empty(old.len() * 8));
        for slot in old {
            // Relaxed: only the holder of the lock inserts.
            let slot = slot.load(Ordering::Relaxed);
            if slot != 0 {
                insert(new, slot);
            }
        }
        self.current.store(current + 1, Ordering::Release);
    }
}

fn empty(len: usize) -> Box<[HashSlot]> {
    (0..len).map(|_| HashSlot::new(0)).collect()
}

fn insert(slots: &[HashSlot], slot: u64) {
    let mask = slots.len() - 1;
    let mut at = (slot >> 32) as usize & mask;
    while slots[at].load(Ordering::Relaxed) != 0 {
        at = (at + 1) & mask;
    }
    // Only the holder of the lock inserts, so the slot is still free.
    slots[at].store(slot, Ordering::Release);
}

impl<V> Default for SeriesTable<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for SeriesTable<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesTable")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_in_each_generation() {
        let table = SeriesTable::new();
        for n in 0..10_000_u32 {
            assert_eq!(
                *table.get_or_insert(SeriesKey::new(1, &format!("/route/{n}"), "x"), || n),
                n
            );
        }
        assert_eq!(table.len(), 10_000);
        for n in 0..10_000_u32 {
            assert_eq!(
                table.get(SeriesKey::new(1, &format!("/route/{n}"), "x")),
                Some(&n)
            );
            assert_eq!(table.get(SeriesKey::new(2, &format!("/route/{n}"), "x")), None);
            assert_eq!(table.get(SeriesKey::new(1, "x", &format!("/route/{n}"))), None);
        }
    }

    #[test]
    fn indexed_names_are_found_by_their_address_only() {
        static TABLE: SeriesTable<usize> = SeriesTable::new();
        let table = &TABLE;
        let names: Vec<String> = (0..1_000).map(|n| format!("/route/{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            table.get_or_insert(SeriesKey::new(1, name, ""), || n);
            assert_eq!(table.get_by_address(1, name), None);
            table.index_address(1, name);
            table.index_address(1, name);
        }
        for (n, name) in names.iter().enumerate() {
            assert_eq!(table.get_by_address(1, name), Some(&n));
            assert_eq!(table.get_by_address(2, name), None);
            assert_eq!(table.get_by_address(1, &name[..5]), None);
            assert_eq!(table.get_by_address(1, &name.clone()), None);
        }
        table.index_address(1, "/never/seen");
        assert_eq!(table.get_by_address(1, "/never/seen"), None);
    }

    #[test]
    fn concurrent_readers_find_the_right_value_or_none_by_address() {
        static TABLE: SeriesTable<usize> = SeriesTable::new();
        let names: Vec<String> = (0..4_000).map(|n| format!("/route/{n}")).collect();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        for (n, name) in names.iter().enumerate() {
                            assert!(TABLE.get_by_address(1, name).is_none_or(|found| *found == n));
                        }
                    }
                });
            }
            for (n, name) in names.iter().enumerate() {
                TABLE.get_or_insert(SeriesKey::new(1, name, ""), || n);
                TABLE.index_address(1, name);
            }
            done.store(true, Ordering::Relaxed);
        });
        for (n, name) in names.iter().enumerate() {
            assert_eq!(TABLE.get_by_address(1, name), Some(&n));
        }
    }

    #[test]
    fn racing_inserts_make_one_entry() {
        let table = SeriesTable::new();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..2_000 {
                        table.get_or_insert(SeriesKey::new(0, &n.to_string(), ""), || {
                            made.fetch_add(1, Ordering::Relaxed)
                        });
                    }
                });
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 2_000);
    }
}
