//! Sums of the metrics in several files.

use std::{
    borrow::Cow,
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
        family_totals::{FamilyTotals, ProcessGauge},
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
    /// The processes that are alive.
    processes: Vec<Process>,
    modes: Arc<MatchRules<GaugeMode>>,
}

/// A live process. Two containers can have the same pid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    pid: u64,
    started: u64,
    file: Arc<str>,
}

impl Totals {
    /// Creates empty totals. `modes` override the gauge modes in the files.
    pub(crate) fn new(modes: Arc<MatchRules<GaugeMode>>) -> Self {
        Self {
            families: BTreeMap::new(),
            processes: Vec::new(),
            modes,
        }
    }

    /// Adds the values of a file. The file of this process must come first: its kinds and descriptions win.
    pub(crate) fn add(&mut self, file: &ParsedFile, words: &[AtomicU64], liveness: Liveness, name: &str) {
        if liveness != Liveness::Exited {
            self.processes.push(Process {
                pid: file.pid,
                started: file.started,
                file: name.into(),
            });
        }
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
        // Of an exited process, which has no gauges, it is not used.
        let process = self.processes.len().saturating_sub(1);
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
                let gauge = GaugeTotal {
                    mode,
                    value,
                    started: file.started,
                };
                match mode {
                    GaugeMode::PerProcess => {
                        family.per_process.push(ProcessGauge {
                            process,
                            labels: series.labels.clone(),
                            since: series.since,
                            gauge,
                        });
                    }
                    GaugeMode::Sum | GaugeMode::Max => {
                        family.add_gauge(&series.labels, series.since, gauge);
                    }
                }
            }
        }
    }

    pub(crate) fn family(&mut self, name: &Arc<str>) -> &mut FamilyTotals {
        self.families.entry(Arc::clone(name)).or_default()
    }

    /// Returns the families with at most `series_limit` series each, and the metrics of which series were left out.
    pub(crate) fn into_families(self, series_limit: usize) -> (Vec<Family>, SkippedSeries) {
        let mut skipped_series = Vec::new();
        let pids = self.pids();
        let families = self.families.into_iter().filter_map(|(name, mut totals)| {
            for gauge in std::mem::take(&mut totals.per_process) {
                let (pid, unique) = &pids[gauge.process];
                totals.add_gauge(&with_pid(&gauge.labels, *pid, unique), gauge.since, gauge.gauge);
            }
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

impl Totals {
    /// Returns the pid of each process, and a unique label of it: `1`, and `1-2` for the second process of pid 1.
    fn pids(&self) -> Vec<(u64, String)> {
        let mut by_age: Vec<(&Process, usize)> = self.processes.iter().zip(0..).collect();
        by_age.sort_unstable();
        let mut labels = vec![(0, String::new()); by_age.len()];
        for same in by_age.chunk_by(|(one, _), (other, _)| one.pid == other.pid) {
            for (number, (process, index)) in (1..).zip(same) {
                let label = match number {
                    1 => process.pid.to_string(),
                    _ => format!("{}-{number}", process.pid),
                };
                labels[*index] = (process.pid, label);
            }
        }
        labels
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

/// Adds the label `pid`, unless there is one that does not simply state the pid of the process.
fn with_pid(labels: &Labels, pid: u64, unique: &str) -> Labels {
    let other =
        |(name, value): (&str, Cow<'_, str>)| name == "pid" && !value.is_empty() && value.parse() != Ok(pid);
    if labels.iter().any(other) {
        return labels.clone();
    }
    let own: Vec<_> = labels.iter().collect();
    let pairs = own.iter().map(|(name, value)| (*name, &**value));
    // Of equal names the last wins.
    Labels::new(pairs.chain([("pid", unique)]))
}
