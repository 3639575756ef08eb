//! Parses the words of a file. Accepts any input: the result is a parsed file or the reason why it is skipped.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
};

use rustix::io::Errno;

use crate::processes::{
    layout::{self, AtomicWord, FileRole, HEADER_LEN, MAGIC, MAJOR, header},
    record::{CellsRecord, DescriptionRecord, Record, SeriesRecord},
};

/// Why a file is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SkipReason {
    /// It has another major version.
    Version,
    /// It is malformed or truncated.
    Damaged,
    /// It cannot be opened or read.
    Unreadable,
    /// It belongs to another user, or has another name elsewhere.
    Foreign,
    /// The process or the system is out of file descriptors or memory; a later scrape may succeed.
    Exhausted,
}

impl SkipReason {
    pub(crate) fn from_error(error: &io::Error) -> Self {
        match (Errno::from_io_error(error), error.kind()) {
            (Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOLCK | Errno::AGAIN), _) => {
                Self::Exhausted
            }
            (None, io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof) => Self::Damaged,
            (None, io::ErrorKind::PermissionDenied) => Self::Foreign,
            _ => Self::Unreadable,
        }
    }
}

/// The declarations in a file. The values stay in its words.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) role: FileRole,
    pub(crate) pid: u64,
    /// When the process started, in nanoseconds since 1970.
    pub(crate) started: u64,
    pub(crate) series: Vec<SeriesRecord>,
    pub(crate) descriptions: Vec<DescriptionRecord>,
    /// Of an archive: the names of the files whose counts it includes.
    pub(crate) archived_files: Vec<String>,
    /// Whether this version knows every record.
    pub(crate) is_fully_known: bool,
    /// Words in the file when it was parsed.
    pub(crate) words: usize,
    /// Whether the file ends before cells that it declares.
    is_cut: bool,
    blocks: HashMap<u32, ParsedBlock>,
    /// Claimed ranges of words, start to end, so that no word is counted twice.
    claimed: BTreeMap<usize, usize>,
    position: JournalPosition,
}

/// What the header of a file says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    role: FileRole,
    pid: u64,
    started: u64,
}

#[derive(Debug, Default)]
struct ParsedBlock {
    len: usize,
    /// The first word of each slot, ordered, so that floats are always summed in the same order.
    slots: BTreeMap<Option<u32>, usize>,
    /// The end of the last series.
    declared: usize,
}

/// How far the journal has been read.
#[derive(Debug)]
struct JournalPosition {
    next: usize,
    end: usize,
    /// Words of all records read.
    read: u64,
}

impl ParsedFile {
    /// Parses the header of a file.
    pub(crate) fn new<W: AtomicWord>(words: &[W]) -> Result<Self, SkipReason> {
        let Header { role, pid, started } = Self::check_header(words)?;
        let header = |index: usize| words[index].load(Relaxed);
        let mut parsed = Self {
            role,
            pid,
            started,
            series: Vec::new(),
            descriptions: Vec::new(),
            archived_files: Vec::new(),
            is_fully_known: true,
            words: words.len(),
            is_cut: false,
            blocks: HashMap::new(),
            claimed: BTreeMap::from([(0, HEADER_LEN)]),
            position: JournalPosition {
                next: 0,
                end: 0,
                read: 0,
            },
        };
        let (offset, len) = layout::split(header(header::JOURNAL));
        parsed.start_segment(offset.into(), len.into(), words.len())?;
        Ok(parsed)
    }

    /// Checks that words begin like a file of this version.
    pub(crate) fn check_header<W: AtomicWord>(words: &[W]) -> Result<Header, SkipReason> {
        let header = words.get(..HEADER_LEN).ok_or(SkipReason::Damaged)?;
        let header = |index: usize| header[index].load(Relaxed);
        if header(header::MAGIC) != MAGIC {
            return Err(SkipReason::Damaged);
        }
        if layout::split(header(header::VERSION)).1 != MAJOR {
            return Err(SkipReason::Version);
        }
        Ok(Header {
            role: FileRole::from_code(header(header::ROLE)).ok_or(SkipReason::Damaged)?,
            pid: header(header::PID),
            started: header(header::STARTED),
        })
    }

    pub(crate) const fn header(&self) -> Header {
        Header {
            role: self.role,
            pid: self.pid,
            started: self.started,
        }
    }

    /// Loads the number of journal words that may be read. Must be called before the length of the file is queried, so
    /// that the length covers everything those words refer to.
    pub(crate) fn committed<W: AtomicWord>(words: &[W]) -> Result<u64, SkipReason> {
        let word = words.get(header::COMMITTED).ok_or(SkipReason::Damaged)?;
        // The word was copied by the kernel, or is one of a read-only mapping, which allows no acquire load: a relaxed
        // load and a fence. Pairs with the release store in `publish`.
        let committed = word.load(Relaxed);
        W::fence(Acquire);
        Ok(committed)
    }

    /// Parses the records up to `committed` that have not been parsed yet.
    ///
    /// # Errors
    ///
    /// If a record is malformed or refers to words beyond the end of the file. The records before it, and those after it
    /// that do not depend on it, are valid.
    pub(crate) fn extend<W: AtomicWord>(&mut self, words: &[W], committed: u64) -> Result<(), SkipReason> {
        self.words = words.len();
        while self.position.read < committed {
            let journal = words
                .get(self.position.next..self.position.end)
                .ok_or(SkipReason::Damaged)?;
            let (head, _) = journal.split_first().ok_or(SkipReason::Damaged)?;
            let (kind, len) = layout::split(head.load(Relaxed));
            if len == 0 || u64::from(len) > committed - self.position.read {
                return Err(SkipReason::Damaged);
            }
            let fields = journal.get(1..len as usize).ok_or(SkipReason::Damaged)?;
            let record = Record::parse(kind, fields).ok_or(SkipReason::Damaged)?;
            self.position.next += len as usize;
            self.position.read += u64::from(len);
            self.add(record, words.len())?;
        }
        if self.is_cut {
            return Err(SkipReason::Damaged);
        }
        Ok(())
    }

    fn add(&mut self, record: Record, words: usize) -> Result<(), SkipReason> {
        match record {
            Record::NextSegment { offset, len } => self.start_segment(offset, len, words)?,
            Record::Cells(cells) => self.add_cells(cells, words)?,
            Record::Series(series) => self.add_series(series)?,
            Record::Description(description) => self.descriptions.push(description),
            Record::ArchivedFile(name) => self.archived_files.push(name),
            Record::Unknown => self.is_fully_known = false,
        }
        Ok(())
    }

    fn start_segment(&mut self, offset: u64, len: u64, words: usize) -> Result<(), SkipReason> {
        (self.position.next, self.position.end) = self.claim(offset, len, words)?;
        Ok(())
    }

    fn add_cells(&mut self, cells: CellsRecord, words: usize) -> Result<(), SkipReason> {
        let len = usize::try_from(cells.len).map_err(|_| SkipReason::Damaged)?;
        // A file that was cut has records of cells beyond its end. Without those cells the others are still valid.
        let end = cells.offset.checked_add(cells.len).ok_or(SkipReason::Damaged)?;
        let start = if end <= words as u64 {
            Some(self.claim(cells.offset, cells.len, words)?.0)
        } else {
            self.is_cut = true;
            None
        };
        let block = self.blocks.entry(cells.block).or_insert_with(|| ParsedBlock {
            len,
            ..ParsedBlock::default()
        });
        if block.len != len || len == 0 {
            return Err(SkipReason::Damaged);
        }
        if let Some(start) = start
            && block.slots.insert(cells.slot, start).is_some()
        {
            return Err(SkipReason::Damaged);
        }
        Ok(())
    }

    fn add_series(&mut self, mut series: SeriesRecord) -> Result<(), SkipReason> {
        let block = self.blocks.get_mut(&series.block).ok_or(SkipReason::Damaged)?;
        let first = series.first as usize;
        let end = first.checked_add(series.shape.len(series.bounds.len()));
        // Ranges of a block are handed out in order.
        let end = end
            .filter(|end| first >= block.declared && *end <= block.len)
            .ok_or(SkipReason::Damaged)?;
        block.declared = end;
        if let Some(last) = self.series.last() {
            // Most consecutive series share their name and bounds.
            if last.bounds == series.bounds {
                series.bounds = Arc::clone(&last.bounds);
            }
            if last.name == series.name {
                series.name = Arc::clone(&last.name);
            }
        }
        self.series.push(series);
        Ok(())
    }

    /// Claims a range that lies within the file and overlaps no other.
    fn claim(&mut self, offset: u64, len: u64, words: usize) -> Result<(usize, usize), SkipReason> {
        let end = offset.checked_add(len).and_then(|end| usize::try_from(end).ok());
        let end = end
            .filter(|end| len > 0 && *end <= words)
            .ok_or(SkipReason::Damaged)?;
        let start = offset as usize;
        let before = self.claimed.range(..end).next_back();
        if before.is_some_and(|(_, claimed)| *claimed > start) {
            return Err(SkipReason::Damaged);
        }
        self.claimed.insert(start, end);
        Ok((start, end))
    }

    /// Returns the words of a series, one slice per thread slot.
    pub(crate) fn cells_of<'a, W: AtomicWord>(
        &'a self,
        series: &SeriesRecord,
        words: &'a [W],
    ) -> impl Iterator<Item = &'a [W]> + use<'a, W> {
        let first = series.first as usize;
        let len = series.shape.len(series.bounds.len());
        let slots = self.blocks.get(&series.block).map(|block| block.slots.values());
        slots
            .into_iter()
            .flatten()
            .filter_map(move |start| words.get(start + first..start + first + len))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::{
        GaugeMode, Labels, MetricKind,
        processes::layout::{SeriesShape, VERSION},
    };

    const JOURNAL: usize = 100;
    /// The first word after the journal.
    const CELLS: u64 = (HEADER_LEN + JOURNAL) as u64;

    /// Returns a file with these records and 100 words after its journal.
    fn file(records: &[Record]) -> Vec<AtomicU64> {
        let journal: Vec<u64> = records.iter().flat_map(Record::to_words).collect();
        let mut words = vec![0; HEADER_LEN + JOURNAL + 100];
        words[header::MAGIC] = MAGIC;
        words[header::VERSION] = VERSION;
        words[header::ROLE] = FileRole::Process.code();
        words[header::JOURNAL] = layout::join(HEADER_LEN as u32, JOURNAL as u32);
        words[header::COMMITTED] = journal.len() as u64;
        words[HEADER_LEN..HEADER_LEN + journal.len()].copy_from_slice(&journal);
        words.into_iter().map(AtomicU64::new).collect()
    }

    fn read(records: &[Record]) -> Result<ParsedFile, SkipReason> {
        let words = file(records);
        let mut parsed = ParsedFile::new(&words)?;
        parsed.extend(&words, ParsedFile::committed(&words)?)?;
        Ok(parsed)
    }

    fn cells(block: u32, slot: Option<u32>, offset: u64, len: u64) -> Record {
        Record::Cells(CellsRecord {
            block,
            slot,
            offset,
            len,
        })
    }

    fn series(block: u32, first: u32, bounds: &[f64]) -> Record {
        let kind = if bounds.is_empty() {
            MetricKind::Counter
        } else {
            MetricKind::Histogram
        };
        Record::Series(SeriesRecord {
            name: "a".into(),
            labels: Labels::new([]),
            shape: SeriesShape { kind, exact: false },
            mode: GaugeMode::Sum,
            since: 0,
            bounds: bounds.into(),
            block,
            first,
        })
    }

    #[test]
    fn valid_records_are_parsed() {
        let parsed = read(&[
            cells(0, None, CELLS, 10),
            cells(0, Some(3), CELLS + 10, 10),
            series(0, 0, &[]),
            Record::Unknown,
            series(0, 1, &[1.0]),
        ])
        .expect("is valid");
        assert_eq!(parsed.series.len(), 2);
        assert!(!parsed.is_fully_known);
        let words = file(&[]);
        let cells = parsed.cells_of(&parsed.series[1], &words);
        assert_eq!(cells.map(<[AtomicU64]>::len).collect::<Vec<_>>(), [3, 3]);
    }

    thread_local! {
        static FENCES: Cell<usize> = const { Cell::new(0) };
    }

    /// A word in a read-only mapping.
    struct ReadOnly(AtomicU64);

    impl AtomicWord for ReadOnly {
        fn load(&self, order: Ordering) -> u64 {
            assert_eq!(order, Relaxed, "not allowed on read-only memory");
            self.0.load(order)
        }

        fn store(&self, _: u64, _: Ordering) {
            panic!("not allowed on read-only memory");
        }

        fn fence(order: Ordering) {
            assert_eq!(order, Acquire);
            FENCES.set(FENCES.get() + 1);
        }
    }

    #[test]
    fn read_only_words_are_loaded_relaxed_and_then_fenced() {
        let words = file(&[cells(0, None, CELLS, 10), series(0, 0, &[])]);
        let words: Vec<ReadOnly> = words.into_iter().map(ReadOnly).collect();
        let mut parsed = ParsedFile::new(&words).expect("has a header");
        let committed = ParsedFile::committed(&words).expect("has a header");
        assert_eq!(FENCES.get(), 1);
        parsed.extend(&words, committed).expect("is valid");
        assert_eq!(parsed.series.len(), 1);
    }

    #[test]
    fn overlapping_and_dangling_ranges_are_rejected() {
        let shared = cells(0, None, CELLS, 10);
        for (why, records) in [
            ("overlaps", vec![shared.clone(), cells(0, Some(0), CELLS + 9, 10)]),
            (
                "encloses",
                vec![cells(0, None, CELLS + 2, 4), cells(1, None, CELLS, 10)],
            ),
            ("in the journal", vec![cells(0, None, CELLS - 1, 10)]),
            ("in the header", vec![cells(0, None, 0, 10)]),
            ("slot twice", vec![shared.clone(), cells(0, None, CELLS + 10, 10)]),
            (
                "other length",
                vec![shared.clone(), cells(0, Some(0), CELLS + 10, 9)],
            ),
            ("beyond the end", vec![cells(0, None, CELLS, 101)]),
            ("far beyond the end", vec![cells(0, None, u64::MAX, 2)]),
            ("empty", vec![cells(0, None, CELLS, 0)]),
            ("no block", vec![series(0, 0, &[])]),
            ("beyond its block", vec![shared.clone(), series(0, 10, &[])]),
            ("partly beyond", vec![shared.clone(), series(0, 8, &[1.0])]),
            (
                "cells twice",
                vec![shared.clone(), series(0, 0, &[1.0]), series(0, 2, &[])],
            ),
            (
                "segment inside the first",
                vec![Record::NextSegment {
                    offset: HEADER_LEN as u64,
                    len: 10,
                }],
            ),
        ] {
            assert_eq!(read(&records).err(), Some(SkipReason::Damaged), "{why}");
        }
    }

    #[test]
    fn a_record_that_crosses_the_committed_length_is_rejected() {
        let words = file(&[cells(0, None, CELLS, 10)]);
        let committed = words[header::COMMITTED].load(Relaxed);
        for committed in [committed - 1, committed + 1] {
            let mut parsed = ParsedFile::new(&words).expect("has a header");
            assert_eq!(parsed.extend(&words, committed), Err(SkipReason::Damaged));
        }
    }
}
