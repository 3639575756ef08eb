//! Loom models of the journal: the real writer and parser, with loom's atomics.

use std::sync::atomic::Ordering;

use loom::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
};

use super::{
    layout::{self, AtomicWord, FileRole, HEADER_LEN, MAGIC, SeriesShape, VERSION, header, publish},
    parser::ParsedFile,
    record::{CellsRecord, Record, SeriesRecord},
};
use crate::{GaugeMode, Labels, MetricKind};

impl AtomicWord for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        Self::load(self, order)
    }

    fn store(&self, value: u64, order: Ordering) {
        Self::store(self, value, order);
    }

    fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }
}

const JOURNAL: usize = 28;
const SHARED: usize = HEADER_LEN + JOURNAL;

/// A file with a block of one word: one shared by all threads, and one for each of two slots.
struct File {
    words: Vec<AtomicU64>,
    /// Journal words written, locked while a record is appended.
    end: Mutex<usize>,
}

impl File {
    fn new() -> Self {
        let mut words = vec![0; HEADER_LEN + JOURNAL + 3];
        words[header::MAGIC] = MAGIC;
        words[header::VERSION] = VERSION;
        words[header::ROLE] = FileRole::Process.code();
        words[header::JOURNAL] = layout::join(HEADER_LEN as u32, JOURNAL as u32);
        Self {
            words: words.into_iter().map(AtomicU64::new).collect(),
            end: Mutex::new(0),
        }
    }

    fn append(&self, record: &Record) {
        let mut end = self.end.lock().expect("no thread panics");
        let record = record.to_words();
        let journal = &self.words[HEADER_LEN + *end..];
        *end += record.len();
        publish(&self.words, journal, &record, *end as u64);
    }

    fn add_cells(&self, slot: Option<u32>, offset: usize) {
        self.append(&Record::Cells(CellsRecord {
            block: 0,
            slot,
            offset: offset as u64,
            len: 1,
        }));
    }

    fn declare(&self) {
        self.append(&Record::Series(SeriesRecord {
            name: "a".into(),
            labels: Labels::new([]),
            shape: SeriesShape {
                kind: MetricKind::Counter,
                exact: false,
            },
            mode: GaugeMode::Sum,
            since: 1,
            bounds: [].into(),
            block: 0,
            first: 0,
        }));
    }

    /// Increments from a thread whose slot has no words yet.
    fn count_first(&self, slot: u32) {
        let own = SHARED + 1 + slot as usize;
        self.add_cells(Some(slot), own);
        self.count(own);
    }

    /// Increments the word of the calling thread.
    fn count(&self, own: usize) {
        let before = self.words[own].load(Ordering::Relaxed);
        self.words[own].store(before + 1, Ordering::Relaxed);
    }

    /// Returns the total that a reader sees. The file must be valid at any time.
    fn read(&self) -> Option<u64> {
        let mut parsed = ParsedFile::new(&self.words).expect("has a header");
        let committed = ParsedFile::committed(&self.words).expect("has a header");
        parsed
            .extend(&self.words, committed)
            .expect("published records are valid");
        let series = parsed.series.first()?;
        let cells = parsed.cells_of(series, &self.words);
        Some(cells.map(|cells| cells[0].load(Ordering::Relaxed)).sum())
    }
}

/// Loads may return stale values without preemption, so few preemptions suffice to find a missing ordering.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(test);
}

#[test]
fn loom_a_series_is_visible_completely_or_not_at_all() {
    model(|| {
        let file = Arc::new(File::new());
        let writer = {
            let file = Arc::clone(&file);
            thread::spawn(move || {
                file.add_cells(None, SHARED);
                file.declare();
            })
        };
        let seen = file.read();
        writer.join().unwrap();
        assert!(seen.is_none_or(|seen| seen == 0), "{seen:?}");
        assert_eq!(file.read(), Some(0));
    });
}

#[test]
fn loom_two_threads_record_first_in_a_block_while_it_is_read() {
    model(|| {
        let file = File::new();
        file.add_cells(None, SHARED);
        file.declare();
        let file = Arc::new(file);
        let other = {
            let file = Arc::clone(&file);
            thread::spawn(move || file.count_first(1))
        };
        let reader = {
            let file = Arc::clone(&file);
            thread::spawn(move || file.read())
        };
        file.count_first(0);
        let seen = reader.join().unwrap().expect("is declared");
        other.join().unwrap();
        assert!(seen <= 2, "{seen}");
        assert_eq!(file.read(), Some(2));
    });
}

#[test]
fn loom_a_thread_slot_is_reused_without_losing_counts() {
    model(|| {
        let file = File::new();
        file.add_cells(None, SHARED);
        file.add_cells(Some(0), SHARED + 1);
        file.declare();
        let file = Arc::new(file);
        // The free slots, as `cells::thread_slot` keeps them.
        let free = Arc::new(Mutex::new(Vec::new()));
        let first = {
            let (file, free) = (Arc::clone(&file), Arc::clone(&free));
            thread::spawn(move || {
                file.count(SHARED + 1);
                free.lock().unwrap().push(SHARED + 1);
            })
        };
        let next = free.lock().unwrap().pop();
        if let Some(own) = next {
            file.count(own);
        }
        let seen = file.read().expect("is declared");
        first.join().unwrap();
        let expected = 1 + u64::from(next.is_some());
        assert!(seen <= expected);
        assert_eq!(file.read(), Some(expected), "reuse loses nothing");
    });
}
