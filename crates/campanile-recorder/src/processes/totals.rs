//! Sums of the metrics in several files.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    Family, GaugeMode, Labels, MetricKind,
    exact_sum::ExactSum,
    matcher::MatchRules,
    names,
    processes::{
        family_totals::FamilyTotals,
        layout::header,
        parser::ParsedFile,
        record::SeriesRecord,
        series_totals::{GaugeTotal, HistogramTotal},
    },
};

/// The state of the process that wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// This process.
    Own,
    /// Another process that is alive.
    Alive,
    /// A process that has exited, or the many of an archive.
    Exited,
}

/// Metrics with the number of their series that were left out of a snapshot because of their kind.
pub(crate) type SkippedSeries = Vec<(Arc<str>, u64)>;

/// The sums of several files, by metric name.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) families: BTreeMap<Arc<str>, FamilyTotals>,
    modes: Arc<MatchRules<GaugeMode>>,
}

impl Totals {
    /// Creates empty totals. `modes` override the gauge modes in the files.
    pub(crate) fn new(modes: Arc<MatchRules<GaugeMode>>) -> Self {
        Self {
            families: BTreeMap::new(),
            modes,
        }
    }

    /// Adds the values of a file. The file of this process must come first: its kinds and descriptions win.
    pub(crate) fn add(&mut self, file: &ParsedFile, words: &[AtomicU64], liveness: Liveness) {
        for series in &file.series {
            self.add_series(file, series, words, liveness);
        }
        if let Some(lost) = words
            .get(header::LOST)
            .map(|word| word.load(Relaxed))
            .filter(|lost| *lost > 0)
        {
            let family = self.family(&names::LOST.name.into());
            family.help.get_or_insert_with(|| names::LOST.help.into());
            family.add_counter(&Labels::new([("metric", "other")]), file.started, lost);
        }
        for description in &file.descriptions {
            if let Some(family) = self.families.get_mut(&description.name)
                && family.help.is_none()
            {
                family.unit = description.unit;
                family.help = Some(Arc::clone(&description.help));
            }
        }
    }

    fn add_series(
        &mut self,
        file: &ParsedFile,
        series: &SeriesRecord,
        words: &[AtomicU64],
        liveness: Liveness,
    ) {
        let mode = self.modes.find(&series.name).copied().unwrap_or(series.mode);
        let family = self.family(&series.name);
        if liveness == Liveness::Own {
            family.own_kind = Some(series.shape.kind);
        }
        match series.shape.kind {
            MetricKind::Counter => {
                let cells = file.cells_of(series, words);
                let value = cells.fold(0, |sum: u64, cells| sum.wrapping_add(cells[0].load(Relaxed)));
                family.add_counter(&series.labels, series.since, value);
            }
            MetricKind::Histogram => {
                let total = histogram(file, series, words);
                family.add_histogram(&series.labels, series.since, total);
            }
            // A gauge is a current value, and an exited process has none.
            MetricKind::Gauge if liveness == Liveness::Exited => {}
            MetricKind::Gauge => {
                let cells = file.cells_of(series, words);
                let value = cells.map(|cells| f64::from_bits(cells[0].load(Relaxed))).sum();
                let mode = *family.mode.get_or_insert(mode);
                let labels = match mode {
                    GaugeMode::PerProcess => with_pid(&series.labels, file.pid),
                    GaugeMode::Sum | GaugeMode::Max => series.labels.clone(),
                };
                let gauge = GaugeTotal {
                    mode,
                    value,
                    started: file.started,
                };
                family.add_gauge(&labels, series.since, gauge);
            }
        }
    }

    pub(crate) fn family(&mut self, name: &Arc<str>) -> &mut FamilyTotals {
        self.families.entry(Arc::clone(name)).or_default()
    }

    /// Returns the families with at most `series_limit` series each, and the metrics of which series were left out.
    pub(crate) fn into_families(self, series_limit: usize) -> (Vec<Family>, SkippedSeries) {
        let mut skipped_series = Vec::new();
        let families = self.families.into_iter().filter_map(|(name, totals)| {
            let kind = totals.kind()?;
            let skipped = totals.skipped_series(kind);
            if skipped > 0 {
                skipped_series.push((Arc::clone(&name), skipped as u64));
            }
            Some(totals.into_family(name, kind, series_limit))
        });
        (families.collect(), skipped_series)
    }
}

fn histogram(file: &ParsedFile, series: &SeriesRecord, words: &[AtomicU64]) -> HistogramTotal {
    let mut total = HistogramTotal::new(Arc::clone(&series.bounds));
    for cells in file.cells_of(series, words) {
        let (counts, sum) = cells.split_at(total.counts.len());
        for (count, word) in total.counts.iter_mut().zip(counts) {
            *count = count.wrapping_add(word.load(Relaxed));
        }
        let sum = match sum {
            [low, high, fraction_low, fraction_high] => {
                ExactSum::from_words([low, high, fraction_low, fraction_high].map(|word| word.load(Relaxed)))
            }
            float => float.iter().fold(ExactSum::default(), |sum, word| {
                sum.plus(ExactSum::from_f64(f64::from_bits(word.load(Relaxed))))
            }),
        };
        total.sum = total.sum.plus(sum);
    }
    total
}

fn with_pid(labels: &Labels, pid: u64) -> Labels {
    if labels.iter().any(|(name, _)| name == "pid") {
        return labels.clone();
    }
    let (own, pid): (Vec<_>, _) = (labels.iter().collect(), pid.to_string());
    let pairs = own.iter().map(|(name, value)| (*name, &**value));
    Labels::new(pairs.chain([("pid", &*pid)]))
}
