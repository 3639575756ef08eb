//! One seat: written by its owner, read by anybody, without a lock.
//!
//! A sequence lock of atomic words: the version is odd while the owner writes, and a reader that finds it odd, or
//! changed after reading, reads again. What changes while a request runs (route, host, phase) is one word with the
//! seat's generation in it, so a late writer cannot touch the next request's row.

#[cfg(campanile_loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(campanile_loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(not(campanile_loom))]
const ID_WORDS: usize = 32;
#[cfg(campanile_loom)]
const ID_WORDS: usize = 2;

const GENERATION_SHIFT: u32 = 44;
const GENERATION_MASK: u64 = (1 << 20) - 1;

pub(super) struct SeatCell {
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

impl SeatCell {
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
    pub(super) fn occupy(&self, id: &[u8], method: u8, started: u64) -> u64 {
        let version = self.begin();
        let generation = (version >> 1) & GENERATION_MASK;
        let (words, rest) = id.as_chunks::<8>();
        for (word, chunk) in self.id.iter().zip(words) {
            word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
        if let (Some(word), false) = (self.id.get(words.len()), rest.is_empty()) {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_le_bytes(last), Ordering::Relaxed);
        }
        let len = id.len().min(ID_WORDS * 8) as u64;
        self.head.store(len | u64::from(method) << 32, Ordering::Relaxed);
        self.started.store(started, Ordering::Relaxed);
        self.state
            .store(generation << GENERATION_SHIFT, Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
        generation
    }

    /// Empties the seat, which the caller owns.
    #[inline]
    pub(super) fn vacate(&self) {
        let version = self.begin();
        self.head.store(0, Ordering::Relaxed);
        // A generation that no reference has, so that a late one finds nothing.
        self.state.store(
            ((version >> 1) & GENERATION_MASK) << GENERATION_SHIFT,
            Ordering::Relaxed,
        );
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

    /// Changes the state of the seat if it is still of this generation.
    pub(super) fn update(&self, generation: u64, change: impl Fn(u64) -> u64) {
        let mut seen = self.state.load(Ordering::Relaxed);
        while seen >> GENERATION_SHIFT == generation {
            let new = (change(seen) & ((1 << GENERATION_SHIFT) - 1)) | generation << GENERATION_SHIFT;
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

#[cfg(all(test, campanile_loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    #[test]
    fn loom_reader_sees_a_whole_row_or_none() {
        loom::model(|| {
            let cell = Arc::new(SeatCell::new());
            let writer = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || {
                    cell.occupy(b"aaaaaaaaaa", 1, 11);
                    cell.vacate();
                    cell.occupy(b"bbbbbbbbbb", 2, 22);
                })
            };
            if let Some(reading) = cell.read(2) {
                let (id, method, started) = (reading.id.as_slice(), reading.method, reading.started);
                assert!(
                    matches!(
                        (id, method, started),
                        (b"aaaaaaaaaa", 1, 11) | (b"bbbbbbbbbb", 2, 22)
                    ),
                    "torn row: {reading:?}"
                );
            }
            writer.join().unwrap();
        });
    }

    #[test]
    fn loom_late_update_does_not_touch_the_next_row() {
        loom::model(|| {
            let cell = Arc::new(SeatCell::new());
            let first = cell.occupy(b"a", 1, 1);
            let late = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || cell.update(first, |state| state | 7))
            };
            cell.vacate();
            let second = cell.occupy(b"b", 1, 2);
            late.join().unwrap();
            let state = cell.read(1).unwrap().state;
            assert_eq!(
                state,
                second << GENERATION_SHIFT,
                "the late update reached the second row"
            );
        });
    }
}
