//! Encodes the archive: the totals of exited processes, in a file that is written once and never changed.

use std::sync::Arc;

use crate::{
    GaugeMode, Labels, MetricKind,
    processes::{
        family_totals::FamilyTotals,
        layout::{self, FileRole, HEADER_LEN, MAGIC, SeriesShape, VERSION, header},
        record::{CellsRecord, DescriptionRecord, Record, SeriesRecord},
        totals::Totals,
    },
};

/// Encodes an archive of totals. It lists the files that the totals come from and that may still exist.
pub(crate) fn encode(mut totals: Totals, files: &[String], series_limit: usize) -> Vec<u64> {
    let mut encoder = ArchiveEncoder::default();
    for name in files {
        encoder.put(&Record::ArchivedFile(name.clone()));
    }
    for (name, family) in &mut totals.families {
        family.counters.limit(series_limit);
        family.histograms.limit(series_limit);
        encoder.put_family(name, family);
    }
    encoder.finish()
}

#[derive(Debug, Default)]
struct ArchiveEncoder {
    journal: Vec<u64>,
    cells: Vec<u64>,
}

impl ArchiveEncoder {
    fn put(&mut self, record: &Record) {
        self.journal.extend(record.to_words());
    }

    fn put_family(&mut self, name: &Arc<str>, family: &FamilyTotals) {
        if family.counters.is_empty() && family.histograms.is_empty() {
            return;
        }
        if let Some(help) = &family.help {
            self.put(&Record::Description(DescriptionRecord {
                name: Arc::clone(name),
                unit: family.unit,
                help: Arc::clone(help),
            }));
        }
        for (labels, total) in family.counters.iter() {
            self.put_series(name, labels, total.since, None, &[total.value]);
        }
        for (labels, total) in family.histograms.iter() {
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
            MetricKind::Histogram
        } else {
            MetricKind::Counter
        };
        self.put(&Record::Series(SeriesRecord {
            name: Arc::clone(name),
            labels: labels.clone(),
            shape: SeriesShape {
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
        // A block must not be empty.
        self.cells.push(0);
        let cells = |offset| {
            Record::Cells(CellsRecord {
                block: 0,
                slot: None,
                offset,
                len: self.cells.len() as u64,
            })
            .to_words()
        };
        // The cells record comes first: a series may only refer to a known block.
        let journal = cells(0).len() + self.journal.len();
        let mut words = vec![0; HEADER_LEN];
        words[header::MAGIC] = MAGIC;
        words[header::VERSION] = VERSION;
        words[header::ROLE] = FileRole::Archive.code();
        words[header::JOURNAL] = layout::join(HEADER_LEN as u32, journal as u32);
        words[header::COMMITTED] = journal as u64;
        words.extend(cells((HEADER_LEN + journal) as u64));
        words.extend(self.journal);
        words.extend(self.cells);
        words[header::CHECKSUM] = layout::checksum(words.iter().copied());
        words
    }
}
