//! The table: written seldom, read by every request.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    entries::{Entries, Entry},
    pointer_index::PointerIndex,
};

/// Generations of the table, each eight times the one before.
const GENERATIONS: usize = 8;
const FIRST: usize = 64;

/// A table of blocks that only grows, and whose readers take no lock.
///
/// Two keys are the same if tag and names are: names are compared apart, not joined.
///
/// Entries live as long as the table. A layer keeps its table for the life of the process, so that a request can hold
/// a plain reference into it.
///
/// Slots of open addressing lead to entries: eight bytes each, half a hash and a number, so that eight of them are in
/// a cache line and probing past a stranger follows nothing. The entries stand side by side, each with its key inside;
/// a block begins with a line, so it can lay out what is touched most: of many, each look costs lines that are in no near
/// cache. Where a name stands where it did before, one look leads to its block: see [`Self::pin`].
///
/// Grows by generations: a new array of slots has all of the old one, which stays for readers that are still in it;
/// entries never move. All published by [`OnceLock`]s and by the slots, so there is no unsafe code to be wrong.
pub struct SeriesTable<V: 'static>(OnceLock<Box<Inner<V>>>);

struct Inner<V: 'static> {
    hasher: foldhash::fast::FixedState,
    current: AtomicUsize,
    generations: [OnceLock<Box<[Slot]>>; GENERATIONS],
    entries: Entries<V>,
    pins: PointerIndex<V>,
    len: AtomicUsize,
    writing: Mutex<()>,
}

/// Half of a hash, and below it one more than the number of an entry; zero while the slot is free.
type Slot = AtomicU64;

/// What a block of handles stands under: a small number, such as a method's, and up to two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    pub(super) tag: u8,
    pub(super) first: &'a str,
    pub(super) second: &'a str,
}

impl<'a> Key<'a> {
    /// Makes a key; leave `second` empty where one name is enough.
    #[inline]
    #[must_use]
    pub const fn new(tag: u8, first: &'a str, second: &'a str) -> Self {
        Self { tag, first, second }
    }
}

impl<V> SeriesTable<V> {
    /// Makes an empty table; nothing is allocated before the first entry.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.get().map_or(0, |inner| inner.len.load(Ordering::Relaxed))
    }

    /// Tells whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds the block of a key.
    #[inline]
    pub fn get(&self, key: Key<'_>) -> Option<&V> {
        let inner = self.0.get()?;
        inner.find(inner.hash(&key), &key)
    }

    /// Finds the block of a key, or puts the one that `make` makes. Locks where it puts.
    ///
    /// `make` runs under the lock, so it must not put into the same table.
    #[inline]
    pub fn get_or_insert(&self, key: Key<'_>, make: impl FnOnce() -> V) -> &V {
        match self.get(key) {
            Some(value) => value,
            None => {
                let inner = self.0.get_or_init(|| Box::new(Inner::new()));
                inner.insert(inner.hash(&key), &key, make)
            }
        }
    }

    /// Calls `f` with the two names and the block of each entry, in the order of their coming.
    pub fn for_each(&self, mut f: impl FnMut(&str, &str, &V)) {
        let Some(inner) = self.0.get() else { return };
        for entry in (0..self.len()).filter_map(|number| inner.entries.get(number)) {
            let (first, second) = entry.names();
            f(first, second, &entry.value);
        }
    }
}

impl<V> SeriesTable<V> {
    /// Finds the block of a key of one name by where that stands, if it was [pinned](Self::pin) there.
    ///
    /// Reads no byte of the name, which is in no near cache where there are many.
    #[inline]
    pub fn get_pinned(&self, tag: u8, name: &str) -> Option<&'static V> {
        self.0.get()?.pins.find(tag, name)
    }

    /// Lets [`Self::get_pinned`] find the block of a key of one name by where that stands from now on. Locks; without
    /// effect where there is no such block.
    ///
    /// Nothing else may ever stand there: the name is static, or belongs to something that the caller keeps for ever.
    /// Else a later name would be taken for it.
    #[cold]
    pub fn pin(&'static self, tag: u8, name: &str) {
        let Some(inner) = self.0.get() else { return };
        let _writing = inner.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key::new(tag, name, "");
        if let Some(block) = inner.find(inner.hash(&key), &key) {
            inner.pins.put(tag, name, block);
        }
    }
}

impl<V> Inner<V> {
    fn new() -> Self {
        let this = Self {
            // A random seed for each table: a stranger who can choose names cannot choose their places.
            hasher: foldhash::fast::FixedState::with_seed(std::hash::RandomState::new().hash_one(0_u64)),
            current: AtomicUsize::new(0),
            generations: [const { OnceLock::new() }; GENERATIONS],
            entries: Entries::new(),
            pins: PointerIndex::new(),
            len: AtomicUsize::new(0),
            writing: Mutex::new(()),
        };
        this.generations[0].get_or_init(|| empty(FIRST));
        this
    }

    /// Returns the half of the hash that is kept.
    #[inline]
    fn hash(&self, key: &Key<'_>) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.first.as_bytes());
        if !key.second.is_empty() {
            hasher.write(key.second.as_bytes());
        }
        // The tag only has to move the place; the comparison tells keys apart.
        let hash = hasher.finish() ^ u64::from(key.tag).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as u32
    }

    #[inline]
    fn slots(&self) -> &[Slot] {
        // Acquire: the generation was filled before it became the current one.
        self.generations[self.current.load(Ordering::Acquire)]
            .get()
            .expect("filled before it became the current one")
    }

    #[inline]
    fn find(&self, hash: u32, key: &Key<'_>) -> Option<&V> {
        let slots = self.slots();
        let mask = slots.len() - 1;
        let mut place = hash as usize & mask;
        // Ends: a generation is never more than half full.
        loop {
            // Acquire: the entry was put before the slot that leads to it.
            let slot = slots[place].load(Ordering::Acquire);
            let number = (slot as u32).checked_sub(1)?;
            if (slot >> 32) as u32 == hash
                && let Some(entry) = self.entries.get(number as usize)
                && entry.is(key)
            {
                return Some(&entry.value);
            }
            place = (place + 1) & mask;
        }
    }

    #[cold]
    fn insert(&self, hash: u32, key: &Key<'_>, make: impl FnOnce() -> V) -> &V {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.find(hash, key) {
            return value;
        }
        let number = self.len.load(Ordering::Relaxed);
        self.entries.put(number, Entry::new(key, make()));
        self.make_room(number + 1);
        put(self.slots(), u64::from(hash) << 32 | (number + 1) as u64);
        self.len.store(number + 1, Ordering::Relaxed);
        drop(writing);
        self.find(hash, key).expect("put above, and entries stay")
    }

    /// Sees to it that the current generation is at most half full with `len` entries.
    fn make_room(&self, len: usize) {
        let current = self.current.load(Ordering::Relaxed);
        let old = self.slots();
        // The last generation has room for 67 million entries; the callers' limits end long before.
        if len * 2 <= old.len() || current + 1 == GENERATIONS {
            return;
        }
        let new = self.generations[current + 1].get_or_init(|| empty(old.len() * 8));
        for slot in old {
            // Only the holder of the lock puts.
            let slot = slot.load(Ordering::Relaxed);
            if slot != 0 {
                put(new, slot);
            }
        }
        self.current.store(current + 1, Ordering::Release);
    }
}

fn empty(len: usize) -> Box<[Slot]> {
    (0..len).map(|_| Slot::new(0)).collect()
}

fn put(slots: &[Slot], slot: u64) {
    let mask = slots.len() - 1;
    let mut place = (slot >> 32) as usize & mask;
    while slots[place].load(Ordering::Relaxed) != 0 {
        place = (place + 1) & mask;
    }
    // Only the holder of the lock puts, so the place is still free.
    slots[place].store(slot, Ordering::Release);
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
    fn entries_are_found_through_every_generation() {
        let table = SeriesTable::new();
        for n in 0..10_000_u32 {
            assert_eq!(
                *table.get_or_insert(Key::new(1, &format!("/route/{n}"), "x"), || n),
                n
            );
        }
        assert_eq!(table.len(), 10_000);
        for n in 0..10_000_u32 {
            assert_eq!(table.get(Key::new(1, &format!("/route/{n}"), "x")), Some(&n));
            assert_eq!(table.get(Key::new(2, &format!("/route/{n}"), "x")), None);
            assert_eq!(table.get(Key::new(1, "x", &format!("/route/{n}"))), None);
        }
    }

    #[test]
    fn pinned_names_are_found_by_their_place_alone() {
        static TABLE: SeriesTable<usize> = SeriesTable::new();
        let table = &TABLE;
        let names: Vec<String> = (0..1_000).map(|n| format!("/route/{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            table.get_or_insert(Key::new(1, name, ""), || n);
            assert_eq!(table.get_pinned(1, name), None);
            table.pin(1, name);
            table.pin(1, name);
        }
        for (n, name) in names.iter().enumerate() {
            assert_eq!(table.get_pinned(1, name), Some(&n));
            assert_eq!(table.get_pinned(2, name), None);
            assert_eq!(table.get_pinned(1, &name[..5]), None);
            assert_eq!(table.get_pinned(1, &name.clone()), None);
        }
        table.pin(1, "/never/seen");
        assert_eq!(table.get_pinned(1, "/never/seen"), None);
    }

    #[test]
    fn threads_that_look_while_others_pin_find_the_right_block_or_none() {
        static TABLE: SeriesTable<usize> = SeriesTable::new();
        let names: Vec<String> = (0..4_000).map(|n| format!("/route/{n}")).collect();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        for (n, name) in names.iter().enumerate() {
                            assert!(TABLE.get_pinned(1, name).is_none_or(|found| *found == n));
                        }
                    }
                });
            }
            for (n, name) in names.iter().enumerate() {
                TABLE.get_or_insert(Key::new(1, name, ""), || n);
                TABLE.pin(1, name);
            }
            done.store(true, Ordering::Relaxed);
        });
        for (n, name) in names.iter().enumerate() {
            assert_eq!(TABLE.get_pinned(1, name), Some(&n));
        }
    }

    #[test]
    fn threads_that_race_to_insert_agree_on_one_entry() {
        let table = SeriesTable::new();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..2_000 {
                        table.get_or_insert(Key::new(0, &n.to_string(), ""), || {
                            made.fetch_add(1, Ordering::Relaxed)
                        });
                    }
                });
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 2_000);
    }
}
