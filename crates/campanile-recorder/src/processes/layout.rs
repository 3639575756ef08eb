//! Where things stand in a file. See the [module docs](super) for the table.

use std::sync::atomic::{self, AtomicU64, Ordering};

use crate::{Kind, processes::GaugeMode};

/// `campcell`, as a word in the byte order of the machine that wrote it: in another order it is another word.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"campcell");
/// Files of another major version mean something else and are left alone. It is part of every name, too.
pub(crate) const MAJOR: u32 = 1;
/// Of a later minor version, records of unknown kinds are skipped.
const MINOR: u32 = 0;
pub(crate) const VERSION: u64 = (MAJOR as u64) << 32 | MINOR as u64;

/// Words of the header.
pub(crate) const HEADER: usize = 16;

/// Words by their place in the header.
pub(crate) mod at {
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

/// Kinds of records.
pub(crate) mod record {
    /// The journal goes on elsewhere.
    pub(crate) const CONTINUES: u32 = 1;
    /// Where the words of a block are, for a slot or for all.
    pub(crate) const CELLS: u32 = 2;
    /// A series, and its place.
    pub(crate) const SERIES: u32 = 3;
    /// What a metric is, for people.
    pub(crate) const DESCRIPTION: u32 = 4;
    /// A file whose counts are in this archive.
    pub(crate) const FOLDED: u32 = 5;
}

/// Stands for a slot in a record of the words that all share.
pub(crate) const SHARED: u32 = u32::MAX;

/// Words of a record that says where the journal goes on.
pub(crate) const CONTINUES_LEN: usize = 3;
/// Words of a record of cells.
pub(crate) const CELLS_LEN: usize = 4;

/// Who wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Process,
    Archive,
}

impl Role {
    pub(crate) const fn code(self) -> u64 {
        match self {
            Self::Process => 1,
            Self::Archive => 2,
        }
    }

    pub(crate) const fn of_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Process),
            2 => Some(Self::Archive),
            _ => None,
        }
    }
}

/// What the words of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Whether the sum of a histogram is exact, in four words, instead of a floating-point number.
    pub(crate) exact: bool,
}

impl Shape {
    pub(crate) const fn code(self) -> u64 {
        match (self.kind, self.exact) {
            (Kind::Counter, _) => 1,
            (Kind::Gauge, _) => 2,
            (Kind::Histogram, false) => 3,
            (Kind::Histogram, true) => 4,
        }
    }

    pub(crate) const fn of_code(code: u64) -> Option<Self> {
        let (kind, exact) = match code {
            1 => (Kind::Counter, false),
            2 => (Kind::Gauge, false),
            3 => (Kind::Histogram, false),
            4 => (Kind::Histogram, true),
            _ => return None,
        };
        Some(Self { kind, exact })
    }

    /// The words of a series with so many bounds.
    pub(crate) const fn len(self, bounds: usize) -> usize {
        match (self.kind, self.exact) {
            (Kind::Histogram, false) => bounds + 2,
            (Kind::Histogram, true) => bounds + 5,
            _ => 1,
        }
    }
}

impl GaugeMode {
    pub(crate) const fn code(self) -> u64 {
        match self {
            Self::Sum => 0,
            Self::Max => 1,
            Self::PerProcess => 2,
        }
    }

    pub(crate) const fn of_code(code: u64) -> Self {
        match code {
            1 => Self::Max,
            2 => Self::PerProcess,
            _ => Self::Sum,
        }
    }
}

/// A word that somebody else may be reading or writing. A trait so that a model checker can bring its own.
pub(crate) trait Word {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn fence(order: Ordering);
}

impl Word for AtomicU64 {
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

/// Writes a record to the beginning of `journal`, and then, to the header, how many words of records there are with it.
pub(crate) fn publish<W: Word>(header: &[W], journal: &[W], record: &[u64], committed: u64) {
    for (word, value) in journal.iter().zip(record) {
        word.store(*value, Ordering::Relaxed);
    }
    // Whoever loads it by `Contents::committed` sees the record as well, and that what it names is on the disk.
    header[at::COMMITTED].store(committed, Ordering::Release);
}

/// Joins two halves, the lower first.
pub(crate) const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// Splits what [`join`] joined.
pub(crate) const fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// The checksum of an archive: FNV-1a over its words, that of the checksum left out.
pub(crate) fn checksum(words: impl Iterator<Item = u64>) -> u64 {
    words
        .enumerate()
        .filter(|(index, _)| *index != at::CHECKSUM)
        .fold(0xcbf2_9ce4_8422_2325, |hash, (_, word)| {
            (hash ^ word).wrapping_mul(0x0100_0000_01b3)
        })
}
