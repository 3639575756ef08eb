//! Models of who writes and who reads, in every order that the memory model allows: the real writer of the journal, the
//! real reader, words of loom's.

use std::sync::atomic::Ordering;

use loom::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
};

use super::{
    GaugeMode,
    contents::Contents,
    layout::{self, HEADER, MAGIC, Role, Shape, VERSION, Word, at, publish},
    record::{CellsAt, Declared, Record},
};
use crate::{Kind, Labels};

impl Word for AtomicU64 {
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
const SHARED: usize = HEADER + JOURNAL;

/// A file of a block of one word: the words that all share, then those of two slots.
struct File {
    words: Vec<AtomicU64>,
    /// Words of records that are written, held by whoever writes one.
    end: Mutex<usize>,
}

impl File {
    fn new() -> Self {
        let mut words = vec![0; HEADER + JOURNAL + 3];
        words[at::MAGIC] = MAGIC;
        words[at::VERSION] = VERSION;
        words[at::ROLE] = Role::Process.code();
        words[at::JOURNAL] = layout::join(HEADER as u32, JOURNAL as u32);
        Self {
            words: words.into_iter().map(AtomicU64::new).collect(),
            end: Mutex::new(0),
        }
    }

    fn append(&self, record: &Record) {
        let mut end = self.end.lock().expect("nobody panics");
        let record = record.to_words();
        let journal = &self.words[HEADER + *end..];
        *end += record.len();
        publish(&self.words, journal, &record, *end as u64);
    }

    fn add_cells(&self, slot: Option<u32>, offset: usize) {
        self.append(&Record::Cells(CellsAt {
            block: 0,
            slot,
            offset: offset as u64,
            len: 1,
        }));
    }

    fn declare(&self) {
        self.append(&Record::Series(Declared {
            name: "a".into(),
            labels: Labels::new([]),
            shape: Shape {
                kind: Kind::Counter,
                exact: false,
            },
            mode: GaugeMode::Sum,
            since: 1,
            bounds: [].into(),
            block: 0,
            first: 0,
        }));
    }

    /// Counts as the thread of a slot does that has no words yet.
    fn count_first(&self, slot: u32) {
        let own = SHARED + 1 + slot as usize;
        self.add_cells(Some(slot), own);
        self.count(own);
    }

    /// Counts as the one thread does that writes there.
    fn count(&self, own: usize) {
        let before = self.words[own].load(Ordering::Relaxed);
        self.words[own].store(before + 1, Ordering::Relaxed);
    }

    /// What a reader sees; it must always make sense.
    fn read(&self) -> Option<u64> {
        let mut contents = Contents::new(&self.words).expect("has a header");
        let committed = Contents::committed(&self.words).expect("has a header");
        contents
            .extend(&self.words, committed)
            .expect("what is published is whole");
        let series = contents.series.first()?;
        let runs = contents.runs(series, &self.words);
        Some(runs.map(|run| run[0].load(Ordering::Relaxed)).sum())
    }
}

/// Loads may be stale without a switch of threads, so few switches are enough to find a missing ordering.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(test);
}

#[test]
fn loom_a_series_is_seen_whole_or_not_at_all() {
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
fn loom_two_threads_meet_a_block_first_while_somebody_adds_up() {
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
fn loom_a_slot_is_handed_over_with_what_was_counted() {
    model(|| {
        let file = File::new();
        file.add_cells(None, SHARED);
        file.add_cells(Some(0), SHARED + 1);
        file.declare();
        let file = Arc::new(file);
        // The numbers that are free, as `cells::slot` keeps them.
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
        assert_eq!(file.read(), Some(expected), "nothing is lost in the hand-over");
    });
}
