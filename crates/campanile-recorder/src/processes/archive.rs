//! What processes that are gone have counted, in one file of the same layout, written at once and never changed.

use std::sync::Arc;

use crate::{
    Kind, Labels,
    processes::{
        GaugeMode,
        layout::{self, HEADER, MAGIC, Role, Shape, VERSION, at},
        limit::limit_series,
        record::{CellsAt, Declared, Described, Record},
        totals::{FamilyTotals, Totals},
        values::add_histograms,
    },
};

/// The words of an archive.
#[derive(Debug, Default)]
struct Archive {
    journal: Vec<u64>,
    cells: Vec<u64>,
}

/// Makes the words of an archive that holds totals, and the names of the files they came from that may still be there.
pub(crate) fn to_words(mut totals: Totals, folded: &[String], limit: usize) -> Vec<u64> {
    let mut archive = Archive::default();
    for name in folded {
        archive.put(&Record::Folded(name.clone()));
    }
    for (name, family) in &mut totals.families {
        let add = |total: &mut u64, value: u64| *total = total.wrapping_add(value);
        limit_series(&mut family.counters, limit, add);
        limit_series(&mut family.histograms, limit, add_histograms);
        archive.put_family(name, family);
    }
    archive.finish()
}

impl Archive {
    fn put(&mut self, record: &Record) {
        self.journal.extend(record.to_words());
    }

    fn put_family(&mut self, name: &Arc<str>, family: &FamilyTotals) {
        if family.counters.is_empty() && family.histograms.is_empty() {
            return;
        }
        if let Some(help) = &family.help {
            self.put(&Record::Description(Described {
                name: Arc::clone(name),
                unit: family.unit,
                help: Arc::clone(help),
            }));
        }
        for (labels, total) in &family.counters {
            self.put_series(name, labels, total.since, None, &[total.value]);
        }
        for (labels, total) in &family.histograms {
            for histogram in &total.value {
                let words: Vec<u64> = histogram
                    .counts
                    .iter()
                    .copied()
                    .chain(histogram.sum.to_words())
                    .collect();
                self.put_series(name, labels, total.since, Some(&histogram.bounds), &words);
            }
        }
    }

    fn put_series(
        &mut self,
        name: &Arc<str>,
        labels: &Labels,
        since: u64,
        bounds: Option<&Arc<[f64]>>,
        words: &[u64],
    ) {
        let kind = if bounds.is_some() {
            Kind::Histogram
        } else {
            Kind::Counter
        };
        self.put(&Record::Series(Declared {
            name: Arc::clone(name),
            labels: labels.clone(),
            shape: Shape {
                kind,
                exact: bounds.is_some(),
            },
            mode: GaugeMode::Sum,
            since,
            bounds: bounds.map(Arc::clone).unwrap_or_default(),
            block: 0,
            first: self.cells.len() as u32,
        }));
        self.cells.extend(words);
    }

    fn finish(mut self) -> Vec<u64> {
        // A block without words is none.
        self.cells.push(0);
        let cells = |offset| {
            Record::Cells(CellsAt {
                block: 0,
                slot: None,
                offset,
                len: self.cells.len() as u64,
            })
            .to_words()
        };
        // Series are declared behind their block.
        let journal = cells(0).len() + self.journal.len();
        let mut words = vec![0; HEADER];
        words[at::MAGIC] = MAGIC;
        words[at::VERSION] = VERSION;
        words[at::ROLE] = Role::Archive.code();
        words[at::JOURNAL] = layout::join(HEADER as u32, journal as u32);
        words[at::COMMITTED] = journal as u64;
        words.extend(cells((HEADER + journal) as u64));
        words.extend(self.journal);
        words.extend(self.cells);
        words[at::CHECKSUM] = layout::checksum(words.iter().copied());
        words
    }
}
