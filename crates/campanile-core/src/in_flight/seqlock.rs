//! One row of the table, as a sequence lock: written by its owner, read by any thread without a lock.
//!
//! The version is odd while the owner writes. A reader that finds it odd, or changed after reading, reads again. Route,
//! host and phase, which change while a request runs, are one word together with the generation of the row, so that a
//! late writer cannot change the row of the next request.
//!
//! The free list orders one owner of a row before the next (happens-before). A late [`SeqlockRow::update`] is not
//! ordered, and need not be: compare-and-exchange reads the newest state, and the generation in it decides.

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
    /// Length of the id, zero while the row is free; above it the number of the method.
    head: AtomicU64,
    started: AtomicU64,
    state: AtomicU64,
    id: [AtomicU64; ID_WORDS],
}

/// A consistent reading of an occupied row.
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

    /// Fills the row, which the caller owns, and returns its generation.
    #[inline]
    pub(super) fn occupy(&self, id: &[u8], method: u8, started: u64) -> u32 {
        let version = self.begin_write();
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
        self.store_state(tag(version >> 1));
        self.version.store(version + 2, Ordering::Release);
        (version >> 1) as u32
    }

    /// Empties the row, which the caller owns.
    ///
    /// The state stays: no reader sees it, and [`Self::occupy`] overwrites it together with any late update.
    #[inline]
    pub(super) fn vacate(&self) {
        let version = self.begin_write();
        self.head.store(0, Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
    }

    #[inline]
    fn begin_write(&self) -> u64 {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // Release: the odd version becomes visible before the words that follow.
        fence(Ordering::Release);
        version
    }

    #[inline]
    fn store_state(&self, state: u64) {
        #[cfg(not(campanile_loom))]
        self.state.store(state, Ordering::Relaxed);
        // Loom lets a plain store fall between the read and the write of another thread's compare-and-exchange, and
        // then the latter win, which the memory model excludes. It orders swaps correctly.
        #[cfg(campanile_loom)]
        self.state.swap(state, Ordering::Relaxed);
    }

    /// Changes the state of the row, which the caller owns. A concurrent update may be lost.
    #[inline]
    pub(super) fn change(&self, change: impl Fn(u64) -> u64) {
        let state = self.state.load(Ordering::Relaxed);
        self.store_state((change(state) & STATE) | (state & !STATE));
    }

    /// Changes the state of the row if its generation is still this one.
    pub(super) fn update(&self, generation: u32, change: impl Fn(u64) -> u64) {
        // The generation in the state wraps after half a million requests, the one in the version after two billion. A
        // holder of a reference has seen the row being taken, so an old version here means an old generation.
        if (self.version.load(Ordering::Relaxed) >> 1) as u32 != generation.wrapping_add(1) {
            return;
        }
        let tag = tag(generation.into());
        let mut current = self.state.load(Ordering::Relaxed);
        while current & !STATE == tag {
            let new = (change(current) & STATE) | tag;
            match self
                .state
                .compare_exchange_weak(current, new, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(newer) => current = newer,
            }
        }
    }

    /// Reads the row. `None` if it is free, or was being written at every attempt.
    pub(super) fn read(&self, attempts: usize) -> Option<Reading> {
        for _ in 0..attempts {
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
            // Acquire: the words above are read before the version below.
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

/// Returns the last, incomplete word of an id.
#[inline]
fn last_word(id: &[u8], rest: &[u8]) -> u64 {
    match id.last_chunk::<8>() {
        // The last eight bytes, without those that belong to the word before.
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Returns the low bits of a generation, shifted above the state.
#[inline]
const fn tag(generation: u64) -> u64 {
    generation << GENERATION_SHIFT
}

#[cfg(all(test, campanile_loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    /// Loom returns stale values without switching threads, so two preemptions find a missing ordering.
    fn model(test: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(test);
    }

    fn assert_consistent(reading: &Reading, first: u32, second: u32) {
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
    fn loom_reader_sees_a_consistent_row_or_none_while_it_is_taken() {
        model(|| {
            let row = Arc::new(SeqlockRow::new());
            let writer = {
                let row = Arc::clone(&row);
                thread::spawn(move || row.occupy(b"aaaa", 1, 11))
            };
            let reading = row.read(2);
            let first = writer.join().unwrap();
            if let Some(reading) = reading {
                assert_consistent(&reading, first, u32::MAX);
            }
        });
    }

    #[test]
    fn loom_reader_sees_a_consistent_row_or_none_while_its_owner_changes() {
        model(|| {
            let row = Arc::new(SeqlockRow::new());
            let first = row.occupy(b"aaaa", 1, 11);
            let writer = {
                let row = Arc::clone(&row);
                thread::spawn(move || {
                    row.vacate();
                    row.occupy(b"bbbbbb", 2, 22)
                })
            };
            let reading = row.read(1);
            let second = writer.join().unwrap();
            if let Some(reading) = reading {
                assert_consistent(&reading, first, second);
            }
        });
    }

    #[test]
    fn loom_late_update_does_not_change_the_next_request() {
        model(|| {
            let row = Arc::new(SeqlockRow::new());
            let first = row.occupy(b"aaaa", 1, 11);
            let late = {
                let row = Arc::clone(&row);
                thread::spawn(move || row.update(first, |state| state | 7))
            };
            row.vacate();
            let second = row.occupy(b"bbbbbb", 2, 22);
            let early = row.read(1).expect("no other thread writes the row");
            late.join().unwrap();
            let reading = row.read(1).expect("no other thread writes the row");
            assert_consistent(&reading, first, second);
            assert_eq!(
                (early.state & STATE, reading.state & STATE),
                (0, 0),
                "{reading:?}"
            );
        });
    }

    #[test]
    fn loom_late_update_does_not_change_a_row_that_its_owner_writes() {
        model(|| {
            let row = Arc::new(SeqlockRow::new());
            let first = row.occupy(b"aaaa", 1, 11);
            let late = {
                let row = Arc::clone(&row);
                thread::spawn(move || row.update(first, |state| state | 4))
            };
            row.vacate();
            let second = row.occupy(b"bbbbbb", 2, 22);
            row.change(|state| state | 1);
            late.join().unwrap();
            let reading = row.read(1).expect("no other thread writes the row");
            assert_consistent(&reading, first, second);
            assert_eq!(reading.state & STATE, 1, "{reading:?}");
        });
    }

    #[test]
    fn loom_update_from_another_thread_is_not_lost() {
        model(|| {
            let row = Arc::new(SeqlockRow::new());
            let first = row.occupy(b"aaaa", 1, 11);
            let other = {
                let row = Arc::clone(&row);
                thread::spawn(move || row.update(first, |state| state | 4))
            };
            row.update(first, |state| state | 1);
            other.join().unwrap();
            assert_eq!(row.read(1).map(|reading| reading.state & STATE), Some(5));
        });
    }

    #[test]
    fn loom_reader_sees_an_update_only_in_its_own_row() {
        model(|| {
            let row = Arc::new(SeqlockRow::new());
            let first = row.occupy(b"aaaa", 1, 11);
            let late = {
                let row = Arc::clone(&row);
                thread::spawn(move || row.update(first, |state| state | 7))
            };
            let owner = {
                let row = Arc::clone(&row);
                thread::spawn(move || {
                    row.vacate();
                    row.occupy(b"bbbbbb", 2, 22)
                })
            };
            let reading = row.read(1);
            let second = owner.join().unwrap();
            late.join().unwrap();
            if let Some(reading) = reading {
                assert_consistent(&reading, first, second);
                assert!(reading.id == b"aaaa" || reading.state & STATE == 0, "{reading:?}");
            }
        });
    }
}
