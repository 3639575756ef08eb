//! Reads a file's words. Pure: whatever the words are, this ends in contents or in a reason, and changes nothing.

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
    layout::{self, HEADER, MAGIC, MAJOR, Role, Word, at},
    record::{CellsAt, Declared, Described, Record},
};

/// Why a file is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unread {
    /// It is of another major version.
    Version,
    /// It is no such file, or not a whole one.
    Damaged,
    /// The system did not give it.
    Unreadable,
    /// The system had no descriptor or no memory left to give it by. It may have the next time.
    Exhausted,
}

impl Unread {
    pub(crate) fn of(error: &io::Error) -> Self {
        match (Errno::from_io_error(error), error.kind()) {
            (Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOLCK | Errno::AGAIN), _) => {
                Self::Exhausted
            }
            (None, io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof) => Self::Damaged,
            _ => Self::Unreadable,
        }
    }
}

/// What a file declares. What it counts stays in its words.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) role: Role,
    pub(crate) pid: u64,
    /// Nanoseconds since 1970.
    pub(crate) started: u64,
    pub(crate) series: Vec<Declared>,
    pub(crate) descriptions: Vec<Described>,
    /// Names of files whose counts are in this archive.
    pub(crate) folded: Vec<String>,
    /// Whether it has nothing that only a later version knows.
    pub(crate) is_known: bool,
    blocks: HashMap<u32, Block>,
    /// Ranges of words that are taken, by their beginning, so that none is counted as two things.
    taken: BTreeMap<usize, usize>,
    position: Position,
}

#[derive(Debug, Default)]
struct Block {
    len: usize,
    /// The first word of each; in order, as floating-point numbers are added up.
    slots: BTreeMap<Option<u32>, usize>,
    /// The end of the last series.
    declared: usize,
}

/// How far the journal is read.
#[derive(Debug)]
struct Position {
    next: usize,
    end: usize,
    /// Words of all records read.
    read: u64,
}

impl Contents {
    /// Begins to read a file: only its header.
    pub(crate) fn new<W: Word>(words: &[W]) -> Result<Self, Unread> {
        let header = words.get(..HEADER).ok_or(Unread::Damaged)?;
        let header = |index: usize| header[index].load(Relaxed);
        if header(at::MAGIC) != MAGIC {
            return Err(Unread::Damaged);
        }
        if layout::split(header(at::VERSION)).1 != MAJOR {
            return Err(Unread::Version);
        }
        let mut contents = Self {
            role: Role::of_code(header(at::ROLE)).ok_or(Unread::Damaged)?,
            pid: header(at::PID),
            started: header(at::STARTED),
            series: Vec::new(),
            descriptions: Vec::new(),
            folded: Vec::new(),
            is_known: true,
            blocks: HashMap::new(),
            taken: BTreeMap::from([(0, HEADER)]),
            position: Position {
                next: 0,
                end: 0,
                read: 0,
            },
        };
        let (offset, len) = layout::split(header(at::JOURNAL));
        contents.go_on(offset.into(), len.into(), words.len())?;
        Ok(contents)
    }

    /// The words of records that the file says there are. Load it before the file's length is looked at: what it counts
    /// was on the disk before.
    pub(crate) fn committed<W: Word>(words: &[W]) -> Result<u64, Unread> {
        // Pairs with the store that published them: the records are seen as they were written.
        let word = words.get(at::COMMITTED).ok_or(Unread::Damaged)?;
        let committed = word.load(Relaxed);
        // The words may be mapped read-only, where nothing but a relaxed load is allowed.
        W::fence(Acquire);
        Ok(committed)
    }

    /// Reads the records up to `committed`, as many as are new.
    pub(crate) fn extend<W: Word>(&mut self, words: &[W], committed: u64) -> Result<(), Unread> {
        while self.position.read < committed {
            let journal = words
                .get(self.position.next..self.position.end)
                .ok_or(Unread::Damaged)?;
            let (head, _) = journal.split_first().ok_or(Unread::Damaged)?;
            let (kind, len) = layout::split(head.load(Relaxed));
            if len == 0 || u64::from(len) > committed - self.position.read {
                return Err(Unread::Damaged);
            }
            let fields = journal.get(1..len as usize).ok_or(Unread::Damaged)?;
            let record = Record::parse(kind, fields).ok_or(Unread::Damaged)?;
            self.position.next += len as usize;
            self.position.read += u64::from(len);
            self.take(record, words.len())?;
        }
        Ok(())
    }

    fn take(&mut self, record: Record, words: usize) -> Result<(), Unread> {
        match record {
            Record::Continues { offset, len } => self.go_on(offset, len, words)?,
            Record::Cells(cells) => self.take_cells(cells, words)?,
            Record::Series(series) => self.take_series(series)?,
            Record::Description(description) => self.descriptions.push(description),
            Record::Folded(name) => self.folded.push(name),
            Record::Unknown => self.is_known = false,
        }
        Ok(())
    }

    fn go_on(&mut self, offset: u64, len: u64, words: usize) -> Result<(), Unread> {
        (self.position.next, self.position.end) = self.take_range(offset, len, words)?;
        Ok(())
    }

    fn take_cells(&mut self, cells: CellsAt, words: usize) -> Result<(), Unread> {
        let (start, end) = self.take_range(cells.offset, cells.len, words)?;
        let block = self.blocks.entry(cells.block).or_default();
        if block.slots.is_empty() {
            block.len = end - start;
        }
        if block.len != end - start || block.slots.insert(cells.slot, start).is_some() {
            return Err(Unread::Damaged);
        }
        Ok(())
    }

    fn take_series(&mut self, mut series: Declared) -> Result<(), Unread> {
        let block = self.blocks.get_mut(&series.block).ok_or(Unread::Damaged)?;
        let first = series.first as usize;
        let end = first.checked_add(series.shape.len(series.bounds.len()));
        // Places are handed out in their order.
        let end = end
            .filter(|end| first >= block.declared && *end <= block.len)
            .ok_or(Unread::Damaged)?;
        block.declared = end;
        if let Some(last) = self.series.last() {
            // Mostly the last one's over again.
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

    /// Takes a range of words that is within the file and nothing else.
    fn take_range(&mut self, offset: u64, len: u64, words: usize) -> Result<(usize, usize), Unread> {
        let end = offset.checked_add(len).and_then(|end| usize::try_from(end).ok());
        let end = end
            .filter(|end| len > 0 && *end <= words)
            .ok_or(Unread::Damaged)?;
        let start = offset as usize;
        let before = self.taken.range(..end).next_back();
        if before.is_some_and(|(_, taken)| *taken > start) {
            return Err(Unread::Damaged);
        }
        self.taken.insert(start, end);
        Ok((start, end))
    }

    /// The words of a series: a run for each slot that has any.
    pub(crate) fn runs<'a, W: Word>(
        &'a self,
        series: &Declared,
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
        Kind, Labels,
        processes::{
            GaugeMode,
            layout::{Shape, VERSION},
        },
    };

    const JOURNAL: usize = 100;
    /// Where the cells begin.
    const BEHIND: u64 = (HEADER + JOURNAL) as u64;

    /// A file of these records, with 100 words behind its journal.
    fn file(records: &[Record]) -> Vec<AtomicU64> {
        let journal: Vec<u64> = records.iter().flat_map(Record::to_words).collect();
        let mut words = vec![0; HEADER + JOURNAL + 100];
        words[at::MAGIC] = MAGIC;
        words[at::VERSION] = VERSION;
        words[at::ROLE] = Role::Process.code();
        words[at::JOURNAL] = layout::join(HEADER as u32, JOURNAL as u32);
        words[at::COMMITTED] = journal.len() as u64;
        words[HEADER..HEADER + journal.len()].copy_from_slice(&journal);
        words.into_iter().map(AtomicU64::new).collect()
    }

    fn read(records: &[Record]) -> Result<Contents, Unread> {
        let words = file(records);
        let mut contents = Contents::new(&words)?;
        contents.extend(&words, Contents::committed(&words)?)?;
        Ok(contents)
    }

    fn cells(block: u32, slot: Option<u32>, offset: u64, len: u64) -> Record {
        Record::Cells(CellsAt {
            block,
            slot,
            offset,
            len,
        })
    }

    fn series(block: u32, first: u32, bounds: &[f64]) -> Record {
        let kind = if bounds.is_empty() {
            Kind::Counter
        } else {
            Kind::Histogram
        };
        Record::Series(Declared {
            name: "a".into(),
            labels: Labels::new([]),
            shape: Shape { kind, exact: false },
            mode: GaugeMode::Sum,
            since: 0,
            bounds: bounds.into(),
            block,
            first,
        })
    }

    #[test]
    fn what_fits_is_read() {
        let contents = read(&[
            cells(0, None, BEHIND, 10),
            cells(0, Some(3), BEHIND + 10, 10),
            series(0, 0, &[]),
            Record::Unknown,
            series(0, 1, &[1.0]),
        ])
        .expect("makes sense");
        assert_eq!(contents.series.len(), 2);
        assert!(!contents.is_known);
        let words = file(&[]);
        let runs = contents.runs(&contents.series[1], &words);
        assert_eq!(runs.map(<[AtomicU64]>::len).collect::<Vec<_>>(), [3, 3]);
    }

    thread_local! {
        static FENCES: Cell<usize> = const { Cell::new(0) };
    }

    /// A word of memory that is mapped read-only.
    struct ReadOnly(AtomicU64);

    impl Word for ReadOnly {
        fn load(&self, order: Ordering) -> u64 {
            assert_eq!(order, Relaxed, "not allowed where nobody may write");
            self.0.load(order)
        }

        fn store(&self, _: u64, _: Ordering) {
            panic!("nobody may write");
        }

        fn fence(order: Ordering) {
            assert_eq!(order, Acquire);
            FENCES.set(FENCES.get() + 1);
        }
    }

    #[test]
    fn what_is_read_only_is_loaded_relaxed_and_then_fenced() {
        let words = file(&[cells(0, None, BEHIND, 10), series(0, 0, &[])]);
        let words: Vec<ReadOnly> = words.into_iter().map(ReadOnly).collect();
        let mut contents = Contents::new(&words).expect("has a header");
        let committed = Contents::committed(&words).expect("has a header");
        assert_eq!(FENCES.get(), 1);
        contents.extend(&words, committed).expect("makes sense");
        assert_eq!(contents.series.len(), 1);
    }

    #[test]
    fn words_that_would_be_counted_as_two_things_are_refused() {
        let shared = cells(0, None, BEHIND, 10);
        for (why, records) in [
            (
                "overlaps",
                vec![shared.clone(), cells(0, Some(0), BEHIND + 9, 10)],
            ),
            (
                "encloses",
                vec![cells(0, None, BEHIND + 2, 4), cells(1, None, BEHIND, 10)],
            ),
            ("in the journal", vec![cells(0, None, BEHIND - 1, 10)]),
            ("in the header", vec![cells(0, None, 0, 10)]),
            (
                "slot twice",
                vec![shared.clone(), cells(0, None, BEHIND + 10, 10)],
            ),
            (
                "other length",
                vec![shared.clone(), cells(0, Some(0), BEHIND + 10, 9)],
            ),
            ("behind the end", vec![cells(0, None, BEHIND, 101)]),
            ("far behind", vec![cells(0, None, u64::MAX, 2)]),
            ("nothing", vec![cells(0, None, BEHIND, 0)]),
            ("no block", vec![series(0, 0, &[])]),
            ("beyond its block", vec![shared.clone(), series(0, 10, &[])]),
            ("partly beyond", vec![shared.clone(), series(0, 8, &[1.0])]),
            (
                "place twice",
                vec![shared.clone(), series(0, 0, &[1.0]), series(0, 2, &[])],
            ),
            (
                "journal in its own piece",
                vec![Record::Continues {
                    offset: HEADER as u64,
                    len: 10,
                }],
            ),
        ] {
            assert_eq!(read(&records).err(), Some(Unread::Damaged), "{why}");
        }
    }

    #[test]
    fn a_record_longer_than_what_is_committed_is_refused() {
        let words = file(&[cells(0, None, BEHIND, 10)]);
        let committed = words[at::COMMITTED].load(Relaxed);
        for committed in [committed - 1, committed + 1] {
            let mut contents = Contents::new(&words).expect("has a header");
            assert_eq!(contents.extend(&words, committed), Err(Unread::Damaged));
        }
    }
}
