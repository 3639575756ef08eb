//! Adds up what several files hold.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::Unit;

use crate::{
    Kind, Labels,
    buckets::Rules,
    names,
    processes::{
        GaugeMode,
        contents::Contents,
        layout::at,
        record::Declared,
        values::{GaugeTotal, HistogramTotal, add_histograms},
    },
    sum::Sum,
};

/// Whose counts a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// This process's.
    Own,
    /// Those of one that lives.
    Live,
    /// Those of one that is gone, or of many.
    Dead,
}

/// All families of several files.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) families: BTreeMap<Arc<str>, FamilyTotals>,
    modes: Arc<Rules<GaugeMode>>,
}

/// What several files hold of one name.
#[derive(Debug, Default)]
pub(crate) struct FamilyTotals {
    pub(crate) unit: Option<Unit>,
    pub(crate) help: Option<Arc<str>>,
    /// The kind that this process has of it.
    pub(crate) own: Option<Kind>,
    /// That of the first gauge.
    mode: Option<GaugeMode>,
    pub(crate) counters: BTreeMap<Labels, Total<u64>>,
    pub(crate) gauges: BTreeMap<Labels, Total<GaugeTotal>>,
    pub(crate) histograms: BTreeMap<Labels, Total<Vec<HistogramTotal>>>,
}

/// What several files hold of a series.
#[derive(Debug)]
pub(crate) struct Total<T> {
    /// When it was first declared by anybody.
    pub(crate) since: u64,
    pub(crate) value: T,
}

impl Totals {
    /// Begins with nothing; what these modes name is of that mode, whatever its file says.
    pub(crate) fn new(modes: Arc<Rules<GaugeMode>>) -> Self {
        Self {
            families: BTreeMap::new(),
            modes,
        }
    }

    /// Adds what a file holds. Begin with the own: what it says of a metric counts.
    pub(crate) fn add(&mut self, contents: &Contents, words: &[AtomicU64], life: Life) {
        for series in &contents.series {
            let set = self.modes.find(&series.name).copied();
            let family = self.family(&series.name);
            if life == Life::Own {
                family.own = Some(series.shape.kind);
            }
            match series.shape.kind {
                Kind::Counter => {
                    let runs = contents.runs(series, words);
                    let value = runs.fold(0, |sum: u64, run| sum.wrapping_add(run[0].load(Relaxed)));
                    family.add_counter(&series.labels, series.since, value);
                }
                Kind::Histogram => {
                    let total = histogram(contents, series, words);
                    family.add_histogram(&series.labels, series.since, total);
                }
                // A gauge says what is, and of the dead nothing is.
                Kind::Gauge if life == Life::Dead => {}
                Kind::Gauge => {
                    let runs = contents.runs(series, words);
                    let value = runs.map(|run| f64::from_bits(run[0].load(Relaxed))).sum();
                    let mode = *family.mode.get_or_insert_with(|| set.unwrap_or(series.mode));
                    let labels = match mode {
                        GaugeMode::PerProcess => with_pid(&series.labels, contents.pid),
                        _ => series.labels.clone(),
                    };
                    let gauge = GaugeTotal {
                        mode,
                        value,
                        started: contents.started,
                    };
                    family.add_gauge(&labels, series.since, gauge);
                }
            }
        }
        if let Some(lost) = words
            .get(at::LOST)
            .map(|word| word.load(Relaxed))
            .filter(|lost| *lost > 0)
        {
            let family = self.family(&names::LOST.name.into());
            family.help.get_or_insert_with(|| names::LOST.help.into());
            family.add_counter(&Labels::new([("metric", "other")]), contents.started, lost);
        }
        for description in &contents.descriptions {
            if let Some(family) = self.families.get_mut(&description.name)
                && family.help.is_none()
            {
                family.unit = description.unit;
                family.help = Some(Arc::clone(&description.help));
            }
        }
    }

    pub(crate) fn family(&mut self, name: &Arc<str>) -> &mut FamilyTotals {
        if !self.families.contains_key(name) {
            self.families.insert(Arc::clone(name), FamilyTotals::default());
        }
        self.families.get_mut(name).expect("put there if it was not")
    }
}

impl FamilyTotals {
    pub(crate) fn add_counter(&mut self, labels: &Labels, since: u64, value: u64) {
        let add = |total: &mut u64, value: u64| *total = total.wrapping_add(value);
        merge(&mut self.counters, labels, since, value, add);
    }

    pub(crate) fn add_histogram(&mut self, labels: &Labels, since: u64, value: HistogramTotal) {
        merge(&mut self.histograms, labels, since, vec![value], add_histograms);
    }

    fn add_gauge(&mut self, labels: &Labels, since: u64, value: GaugeTotal) {
        merge(&mut self.gauges, labels, since, value, GaugeTotal::add);
    }
}

fn histogram(contents: &Contents, series: &Declared, words: &[AtomicU64]) -> HistogramTotal {
    let mut total = HistogramTotal {
        bounds: Arc::clone(&series.bounds),
        counts: vec![0; series.bounds.len() + 1].into_boxed_slice(),
        sum: Sum::default(),
    };
    for run in contents.runs(series, words) {
        let (counts, sum) = run.split_at(total.counts.len());
        for (count, word) in total.counts.iter_mut().zip(counts) {
            *count = count.wrapping_add(word.load(Relaxed));
        }
        total.sum = total.sum.plus(match sum {
            [low, high, fraction_low, fraction_high] => {
                Sum::from_words([low, high, fraction_low, fraction_high].map(|word| word.load(Relaxed)))
            }
            float => float.iter().fold(Sum::default(), |sum, word| {
                sum.plus(Sum::of(f64::from_bits(word.load(Relaxed))))
            }),
        });
    }
    total
}

/// Adds a value to that of a series, by `add` if it has one.
pub(crate) fn merge<T>(
    totals: &mut BTreeMap<Labels, Total<T>>,
    labels: &Labels,
    since: u64,
    value: T,
    add: impl FnOnce(&mut T, T),
) {
    match totals.get_mut(labels) {
        Some(total) => {
            total.since = total.since.min(since);
            add(&mut total.value, value);
        }
        None => {
            totals.insert(labels.clone(), Total { since, value });
        }
    }
}

fn with_pid(labels: &Labels, pid: u64) -> Labels {
    if labels.iter().any(|(name, _)| name == "pid") {
        return labels.clone();
    }
    let (own, pid): (Vec<_>, _) = (labels.iter().collect(), pid.to_string());
    let pairs = own.iter().map(|(name, value)| (*name, &**value));
    Labels::new(pairs.chain([("pid", &*pid)]))
}
