//! The table: written seldom, read by every request.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Generations of the table, each eight times the one before.
const GENERATIONS: usize = 8;
const FIRST: usize = 64;

/// What a block of handles stands under: a small number, such as a method's, and up to two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    tag: u8,
    first: &'a str,
    second: &'a str,
}

impl<'a> Key<'a> {
    /// Makes a key; leave `second` empty where one name is enough.
    #[inline]
    #[must_use]
    pub const fn new(tag: u8, first: &'a str, second: &'a str) -> Self {
        Self { tag, first, second }
    }
}

/// A table of blocks that only grows, and whose readers take no lock.
///
/// Two keys are the same if tag and names are: names are compared apart, not joined.
///
/// Entries live as long as the table. A layer keeps its table for the life of the process, so that a request can hold
/// a plain reference into it.
///
/// Grows by generations: a new array holds all entries of the old one, which stays for readers that are still in it.
/// All published by [`OnceLock`]s, so there is no unsafe code to be wrong.
pub struct SeriesTable<V> {
    generations: [OnceLock<Box<[Slot<V>]>>; GENERATIONS],
    current: AtomicUsize,
    len: AtomicUsize,
    writing: Mutex<()>,
    hasher: OnceLock<foldhash::fast::FixedState>,
}

/// The hash stands beside the pointer, so that probing past a stranger does not follow it.
type Slot<V> = OnceLock<(u64, Arc<Entry<V>>)>;

struct Entry<V> {
    tag: u8,
    first: Box<str>,
    second: Box<str>,
    value: V,
}

impl<V> Entry<V> {
    #[inline]
    fn is(&self, key: &Key<'_>) -> bool {
        self.tag == key.tag && *self.first == *key.first && *self.second == *key.second
    }
}

impl<V> SeriesTable<V> {
    /// Makes an empty table; nothing is allocated before the first entry.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            generations: [const { OnceLock::new() }; GENERATIONS],
            current: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            writing: Mutex::new(()),
            hasher: OnceLock::new(),
        }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Tells whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds the block of a key.
    #[inline]
    pub fn get(&self, key: Key<'_>) -> Option<&V> {
        self.find(self.hash(&key), &key)
    }

    /// Finds the block of a key, or puts the one that `make` makes. The only place that locks.
    ///
    /// `make` runs under the lock, so it must not put into the same table.
    #[inline]
    pub fn get_or_insert(&self, key: Key<'_>, make: impl FnOnce() -> V) -> &V {
        let hash = self.hash(&key);
        match self.find(hash, &key) {
            Some(value) => value,
            None => self.insert(hash, &key, make),
        }
    }

    /// Calls `f` with the two names and the block of each entry, in no order.
    pub fn for_each(&self, mut f: impl FnMut(&str, &str, &V)) {
        let Some(slots) = self.slots() else { return };
        for (_, entry) in slots.iter().filter_map(OnceLock::get) {
            f(&entry.first, &entry.second, &entry.value);
        }
    }

    #[inline]
    fn hash(&self, key: &Key<'_>) -> u64 {
        // A random seed for each table: a stranger who can choose names cannot choose their places.
        let state = self.hasher.get_or_init(|| {
            foldhash::fast::FixedState::with_seed(std::hash::RandomState::new().hash_one(0_u64))
        });
        let mut hasher = state.build_hasher();
        hasher.write(key.first.as_bytes());
        if !key.second.is_empty() {
            hasher.write(key.second.as_bytes());
        }
        // The tag only has to move the place; the comparison tells keys apart.
        hasher.finish() ^ u64::from(key.tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    fn slots(&self) -> Option<&[Slot<V>]> {
        // Acquire: the generation was filled before it became the current one.
        self.generations[self.current.load(Ordering::Acquire)]
            .get()
            .map(AsRef::as_ref)
    }

    #[inline]
    fn find(&self, hash: u64, key: &Key<'_>) -> Option<&V> {
        let slots = self.slots()?;
        let mask = slots.len() - 1;
        let mut place = hash as usize & mask;
        // Ends: a generation is never more than half full.
        loop {
            let (stored, entry) = slots[place].get()?;
            if *stored == hash && entry.is(key) {
                return Some(&entry.value);
            }
            place = (place + 1) & mask;
        }
    }

    #[cold]
    fn insert(&self, hash: u64, key: &Key<'_>, make: impl FnOnce() -> V) -> &V {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.find(hash, key) {
            return value;
        }
        let entry = Arc::new(Entry {
            tag: key.tag,
            first: key.first.into(),
            second: key.second.into(),
            value: make(),
        });
        let len = self.len.load(Ordering::Relaxed) + 1;
        self.make_room(len);
        put(self.slots().expect("made by make_room"), hash, entry);
        self.len.store(len, Ordering::Relaxed);
        drop(writing);
        self.find(hash, key).expect("put above, and entries stay")
    }

    /// Sees to it that the current generation is at most half full with `len` entries.
    fn make_room(&self, len: usize) {
        let current = self.current.load(Ordering::Relaxed);
        let Some(old) = self.generations[current].get() else {
            self.generations[current].get_or_init(|| empty(FIRST));
            return;
        };
        // The last generation has room for 67 million entries; the callers' limits end long before.
        if len * 2 <= old.len() || current + 1 == GENERATIONS {
            return;
        }
        let new = self.generations[current + 1].get_or_init(|| empty(old.len() * 8));
        for (hash, entry) in old.iter().filter_map(OnceLock::get) {
            put(new, *hash, Arc::clone(entry));
        }
        self.current.store(current + 1, Ordering::Release);
    }
}

fn empty<V>(len: usize) -> Box<[Slot<V>]> {
    (0..len).map(|_| OnceLock::new()).collect()
}

fn put<V>(slots: &[Slot<V>], hash: u64, entry: Arc<Entry<V>>) {
    let mask = slots.len() - 1;
    let mut place = hash as usize & mask;
    while slots[place].get().is_some() {
        place = (place + 1) & mask;
    }
    // Only the holder of the lock puts, so the place is still free.
    drop(slots[place].set((hash, entry)));
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
