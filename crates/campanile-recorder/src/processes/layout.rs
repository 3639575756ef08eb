//! The layout of a file: header words, record kinds, encodings. The [module docs](super) have the tables.

use std::{
    sync::atomic::{self, AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::MetricKind;

/// `campcell` as a word in native byte order; in another byte order it is a different word.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"campcell");
/// The major version, which is part of every file name. Files of other major versions are left alone.
pub(crate) const MAJOR: u32 = 1;
/// The minor version. Records that a later one adds are skipped.
const MINOR: u32 = 0;
pub(crate) const VERSION: u64 = (MAJOR as u64) << 32 | MINOR as u64;

/// The maximum length of a file in bytes. A process does not let its own file grow beyond it, and reads no longer one.
pub(crate) const MAX_FILE_LEN: u64 = 1 << 30;

/// Words in the header.
pub(crate) const HEADER_LEN: usize = 16;

/// Indices of the header words.
pub(crate) mod header {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const ROLE: usize = 2;
    pub(crate) const PID: usize = 3;
    pub(crate) const STARTED: usize = 4;
    pub(crate) const JOURNAL: usize = 5;
    pub(crate) const COMMITTED: usize = 6;
    pub(crate) const CHECKSUM: usize = 7;
    pub(crate) const LOST: usize = 8;
}

/// Record kinds.
pub(crate) mod kind {
    pub(crate) const NEXT_SEGMENT: u32 = 1;
    pub(crate) const CELLS: u32 = 2;
    pub(crate) const SERIES: u32 = 3;
    pub(crate) const DESCRIPTION: u32 = 4;
    pub(crate) const ARCHIVED_FILE: u32 = 5;
}

/// The slot in a record of cells that all threads share.
pub(crate) const SHARED: u32 = u32::MAX;

/// Words in a record of the next segment.
pub(crate) const NEXT_SEGMENT_LEN: usize = 3;
/// Words in a record of cells.
pub(crate) const CELLS_LEN: usize = 4;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileRole {
    Process,
    Archive,
}

impl FileRole {
    pub(crate) const fn code(self) -> u64 {
        match self {
            Self::Process => 1,
            Self::Archive => 2,
        }
    }

    pub(crate) const fn from_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Process),
            2 => Some(Self::Archive),
            _ => None,
        }
    }
}

/// The kind of a series and how its words encode it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeriesShape {
    pub(crate) kind: MetricKind,
    /// Whether the sum of a histogram is exact, in four words, rather than a float.
    pub(crate) exact: bool,
}

impl SeriesShape {
    pub(crate) const fn code(self) -> u64 {
        match (self.kind, self.exact) {
            (MetricKind::Counter, _) => 1,
            (MetricKind::Gauge, _) => 2,
            (MetricKind::Histogram, false) => 3,
            (MetricKind::Histogram, true) => 4,
        }
    }

    pub(crate) const fn from_code(code: u64) -> Option<Self> {
        let (kind, exact) = match code {
            1 => (MetricKind::Counter, false),
            2 => (MetricKind::Gauge, false),
            3 => (MetricKind::Histogram, false),
            4 => (MetricKind::Histogram, true),
            _ => return None,
        };
        Some(Self { kind, exact })
    }

    /// Returns the number of words of a series with `bounds` bounds.
    pub(crate) const fn len(self, bounds: usize) -> usize {
        match (self.kind, self.exact) {
            (MetricKind::Histogram, false) => bounds + 2,
            (MetricKind::Histogram, true) => bounds + 5,
            _ => 1,
        }
    }
}

/// A word that another thread or process may access concurrently. A trait, so that loom can substitute its own atomics.
pub(crate) trait AtomicWord {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn fence(order: Ordering);
}

impl AtomicWord for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        Self::load(self, order)
    }

    fn store(&self, value: u64, order: Ordering) {
        Self::store(self, value, order);
    }

    fn fence(order: Ordering) {
        atomic::fence(order);
    }
}

/// Writes a record to the beginning of `journal`, then stores the new number of journal words in the header.
pub(crate) fn publish<W: AtomicWord>(header: &[W], journal: &[W], record: &[u64], committed: u64) {
    for (word, value) in journal.iter().zip(record) {
        word.store(*value, Ordering::Relaxed);
    }
    // A reader that loads it through `ParsedFile::committed` sees the record, and that the ranges it names are on disk.
    header[header::COMMITTED].store(committed, Ordering::Release);
}

/// Packs two halves into a word.
pub(crate) const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// Splits a word into its low and high half.
pub(crate) const fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// Returns the checksum of an archive: FNV-1a over all words but the checksum itself.
pub(crate) fn checksum(words: impl Iterator<Item = u64>) -> u64 {
    words
        .enumerate()
        .filter(|(index, _)| *index != header::CHECKSUM)
        .fold(0xcbf2_9ce4_8422_2325, |hash, (_, word)| {
            (hash ^ word).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Returns the current time in nanoseconds since 1970.
pub(crate) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
