//! One seat: written by its owner, read by anybody, without a lock.
//!
//! A sequence lock of atomic words: the version is odd while the owner writes, and a reader that finds it odd, or
//! changed after reading, reads again. What changes while a request runs (route, host, phase) is one word with the
//! seat's generation in it, so a late writer cannot touch the next request's row.
//!
//! Seats pass from owner to owner with a happens-before between them (the free list); a late [`SeqlockRow::update`]
//! has none. It needs none: an exchange reads the newest state there is, and the generation in it decides.

#[cfg(campanile_loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(campanile_loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(not(campanile_loom))]
const ID_WORDS: usize = 32;
#[cfg(campanile_loom)]
const ID_WORDS: usize = 1;

const GENERATION_SHIFT: u32 = 44;
/// The bits of the state word below the generation.
const STATE: u64 = (1 << GENERATION_SHIFT) - 1;

pub(super) struct SeqlockRow {
    version: AtomicU64,
    /// Length of the id, 0 while the seat is free, and the method's number above it.
    head: AtomicU64,
    started: AtomicU64,
    state: AtomicU64,
    id: [AtomicU64; ID_WORDS],
}

/// A consistent reading of an occupied seat.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) id: Vec<u8>,
    pub(super) method: u8,
    pub(super) started: u64,
    pub(super) state: u64,
}

impl SeqlockRow {
    pub(super) fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            head: AtomicU64::new(0),
            started: AtomicU64::new(0),
            state: AtomicU64::new(0),
            id: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Fills the seat, which the caller owns, and returns its generation.
    #[inline]
    pub(super) fn occupy(&self, id: &[u8], method: u8, started: u64) -> u32 {
        let version = self.begin();
        let (words, rest) = id.as_chunks::<8>();
        for (word, chunk) in self.id.iter().zip(words) {
            word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
        if let (Some(word), false) = (self.id.get(words.len()), rest.is_empty()) {
            word.store(last_word(id, rest), Ordering::Relaxed);
        }
        let len = id.len().min(ID_WORDS * 8) as u64;
        self.head.store(len | u64::from(method) << 32, Ordering::Relaxed);
        self.started.store(started, Ordering::Relaxed);
        self.put_state(tag(version >> 1));
        self.version.store(version + 2, Ordering::Release);
        (version >> 1) as u32
    }

    /// Empties the seat, which the caller owns.
    ///
    /// The state stays: nobody sees it, and [`Self::occupy`] puts its own over whatever a late update makes of it.
    #[inline]
    pub(super) fn vacate(&self) {
        let version = self.begin();
        self.head.store(0, Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
    }

    #[inline]
    fn begin(&self) -> u64 {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // The odd version is seen before any word that follows.
        fence(Ordering::Release);
        version
    }

    #[inline]
    fn put_state(&self, state: u64) {
        #[cfg(not(campanile_loom))]
        self.state.store(state, Ordering::Relaxed);
        // Loom lets a plain store fall between the read and the write of another thread's exchange, and then the
        // exchange win, which the memory model excludes. Its exchanges are ordered as they should be.
        #[cfg(campanile_loom)]
        self.state.swap(state, Ordering::Relaxed);
    }

    /// Changes the state of the seat, which the caller owns. What somebody else changes meanwhile may be lost.
    #[inline]
    pub(super) fn change(&self, change: impl Fn(u64) -> u64) {
        let seen = self.state.load(Ordering::Relaxed);
        self.put_state((change(seen) & STATE) | (seen & !STATE));
    }

    /// Changes the state of the seat if it is still of this generation.
    pub(super) fn update(&self, generation: u32, change: impl Fn(u64) -> u64) {
        // The bits in the state come round after half a million requests, these after two thousand million. Whoever
        // holds a reference has seen the seat being taken, so an old version here means an old generation.
        if (self.version.load(Ordering::Relaxed) >> 1) as u32 != generation.wrapping_add(1) {
            return;
        }
        let tag = tag(generation.into());
        let mut seen = self.state.load(Ordering::Relaxed);
        while seen & !STATE == tag {
            let new = (change(seen) & STATE) | tag;
            match self
                .state
                .compare_exchange_weak(seen, new, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Reads the seat; nothing if it is free, or was being written at every try.
    pub(super) fn read(&self, tries: usize) -> Option<Reading> {
        for _ in 0..tries {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 1 {
                continue;
            }
            let head = self.head.load(Ordering::Relaxed);
            let len = (head & 0xffff_ffff) as usize;
            let mut id = Vec::with_capacity(len);
            for word in &self.id[..len.min(ID_WORDS * 8).div_ceil(8)] {
                id.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
            id.truncate(len);
            let started = self.started.load(Ordering::Relaxed);
            let state = self.state.load(Ordering::Relaxed);
            // No word above is read after the version below.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == before {
                return (len > 0).then_some(Reading {
                    id,
                    method: (head >> 32) as u8,
                    started,
                    state,
                });
            }
        }
        None
    }
}

/// Reads the rest of an id, which is less than a word.
#[inline]
fn last_word(id: &[u8], rest: &[u8]) -> u64 {
    match id.last_chunk::<8>() {
        // The word at the end without what it shares with the one before.
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Puts what fits of a generation above the state.
#[inline]
const fn tag(generation: u64) -> u64 {
    generation << GENERATION_SHIFT
}

#[cfg(all(test, campanile_loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    /// Loads may be stale without a switch of threads, so few switches are enough to find a missing ordering.
    fn model(test: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(test);
    }

    fn assert_whole(reading: &Reading, first: u32, second: u32) {
        let expected = match reading.id.as_slice() {
            b"aaaa" => (1, 11, first),
            b"bbbbbb" => (2, 22, second),
            _ => panic!("torn id: {reading:?}"),
        };
        let generation = (reading.state >> GENERATION_SHIFT) as u32;
        assert_eq!(
            (reading.method, reading.started, generation),
            expected,
            "torn row: {reading:?}"
        );
    }

    #[test]
    fn loom_reader_sees_a_whole_row_or_none_while_a_seat_is_taken() {
        model(|| {
            let cell = Arc::new(SeqlockRow::new());
            let writer = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.occupy(b"aaaa", 1, 11))
            };
            let reading = cell.read(2);
            let first = writer.join().unwrap();
            if let Some(reading) = reading {
                assert_whole(&reading, first, u32::MAX);
            }
        });
    }

    #[test]
    fn loom_reader_sees_a_whole_row_or_none_while_a_seat_changes_hands() {
        model(|| {
            let cell = Arc::new(SeqlockRow::new());
            let first = cell.occupy(b"aaaa", 1, 11);
            let writer = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || {
                    cell.vacate();
                    cell.occupy(b"bbbbbb", 2, 22)
                })
            };
            let reading = cell.read(1);
            let second = writer.join().unwrap();
            if let Some(reading) = reading {
                assert_whole(&reading, first, second);
            }
        });
    }

    #[test]
    fn loom_late_update_does_not_touch_the_next_row() {
        model(|| {
            let cell = Arc::new(SeqlockRow::new());
            let first = cell.occupy(b"aaaa", 1, 11);
            let late = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.update(first, |state| state | 7))
            };
            cell.vacate();
            let second = cell.occupy(b"bbbbbb", 2, 22);
            let early = cell.read(1).expect("nobody else writes the row");
            late.join().unwrap();
            let reading = cell.read(1).expect("nobody else writes the row");
            assert_whole(&reading, first, second);
            assert_eq!(
                (early.state & STATE, reading.state & STATE),
                (0, 0),
                "{reading:?}"
            );
        });
    }

    #[test]
    fn loom_late_update_does_not_touch_a_row_that_its_owner_changes() {
        model(|| {
            let cell = Arc::new(SeqlockRow::new());
            let first = cell.occupy(b"aaaa", 1, 11);
            let late = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.update(first, |state| state | 4))
            };
            cell.vacate();
            let second = cell.occupy(b"bbbbbb", 2, 22);
            cell.change(|state| state | 1);
            late.join().unwrap();
            let reading = cell.read(1).expect("nobody else writes the row");
            assert_whole(&reading, first, second);
            assert_eq!(reading.state & STATE, 1, "{reading:?}");
        });
    }

    #[test]
    fn loom_update_from_another_thread_is_not_lost() {
        model(|| {
            let cell = Arc::new(SeqlockRow::new());
            let first = cell.occupy(b"aaaa", 1, 11);
            let other = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.update(first, |state| state | 4))
            };
            cell.update(first, |state| state | 1);
            other.join().unwrap();
            assert_eq!(cell.read(1).map(|reading| reading.state & STATE), Some(5));
        });
    }

    #[test]
    fn loom_reader_sees_an_update_only_in_its_own_row() {
        model(|| {
            let cell = Arc::new(SeqlockRow::new());
            let first = cell.occupy(b"aaaa", 1, 11);
            let late = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.update(first, |state| state | 7))
            };
            let owner = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || {
                    cell.vacate();
                    cell.occupy(b"bbbbbb", 2, 22)
                })
            };
            let reading = cell.read(1);
            let second = owner.join().unwrap();
            late.join().unwrap();
            if let Some(reading) = reading {
                assert_whole(&reading, first, second);
                assert!(reading.id == b"aaaa" || reading.state & STATE == 0, "{reading:?}");
            }
        });
    }
}
