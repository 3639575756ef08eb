//! The sums of one metric over several files.

use std::sync::Arc;

use metrics::Unit;

use crate::{
    Distribution, Family, GaugeMode, Labels, MetricKind, Value,
    processes::series_totals::{GaugeTotal, HistogramTotal, SeriesTotals},
};

/// The sums of one metric. A name may have several kinds in different processes.
#[derive(Debug, Default)]
pub(crate) struct FamilyTotals {
    pub(crate) unit: Option<Unit>,
    pub(crate) help: Option<Arc<str>>,
    /// The kind of the metric in this process.
    pub(crate) own_kind: Option<MetricKind>,
    /// The mode of the first gauge that was added.
    pub(crate) mode: Option<GaugeMode>,
    pub(crate) counters: SeriesTotals<u64>,
    pub(crate) gauges: SeriesTotals<GaugeTotal>,
    /// Gauges of which each process has its own series, before they have a label of the process.
    pub(crate) per_process: Vec<ProcessGauge>,
    pub(crate) histograms: SeriesTotals<Vec<HistogramTotal>>,
}

/// The gauge of one process.
#[derive(Debug)]
pub(crate) struct ProcessGauge {
    /// The index of the process.
    pub(crate) process: usize,
    pub(crate) labels: Labels,
    pub(crate) since: u64,
    pub(crate) gauge: GaugeTotal,
}

impl FamilyTotals {
    pub(crate) fn add_counter(&mut self, labels: &Labels, since: u64, value: u64) {
        self.counters.add(labels, since, value);
    }

    pub(crate) fn add_gauge(&mut self, labels: &Labels, since: u64, value: GaugeTotal) {
        self.gauges.add(labels, since, value);
    }

    pub(crate) fn add_histogram(&mut self, labels: &Labels, since: u64, value: HistogramTotal) {
        self.histograms.add(labels, since, vec![value]);
    }

    /// Returns the kind in this process, otherwise that of the oldest series.
    pub(crate) fn kind(&self) -> Option<MetricKind> {
        let by_age = || {
            let ages = [
                (self.counters.oldest(), MetricKind::Counter),
                (self.gauges.oldest(), MetricKind::Gauge),
                (self.histograms.oldest(), MetricKind::Histogram),
            ];
            let oldest = ages
                .into_iter()
                .filter_map(|(since, kind)| Some((since?, kind)))
                .min_by_key(|(since, _)| *since);
            oldest.map(|(_, kind)| kind)
        };
        self.own_kind.or_else(by_age)
    }

    /// Returns the number of series that a family of `kind` leaves out.
    pub(crate) fn skipped_series(&self, kind: MetricKind) -> usize {
        let counts = [
            (MetricKind::Counter, self.counters.len()),
            (MetricKind::Gauge, self.gauges.len()),
            (MetricKind::Histogram, self.histograms.len()),
        ];
        let others = counts.iter().filter(|(other, _)| *other != kind);
        others.map(|(_, count)| count).sum()
    }

    pub(crate) fn into_family(self, name: Arc<str>, kind: MetricKind, series_limit: usize) -> Family {
        let mut family = Family::new(name, kind);
        family.unit = self.unit;
        family.help = self.help;
        family.series = match kind {
            MetricKind::Counter => self.counters.into_series(series_limit, Value::Counter),
            MetricKind::Gauge => self
                .gauges
                .into_series(series_limit, |gauge| Value::Gauge(gauge.value)),
            MetricKind::Histogram => {
                // The same bounds for all series: quantiles over several would be wrong if one lacked a bucket.
                let histograms = self.histograms.iter();
                let bounds = common_bounds(histograms.flat_map(|(_, total)| &total.value));
                self.histograms.into_series(series_limit, |totals| {
                    let mut sum = HistogramTotal::new(Arc::clone(&bounds));
                    for total in totals {
                        sum.add(&total.in_bounds(&bounds));
                    }
                    Value::Histogram(Distribution::new(sum.bounds, sum.counts, sum.sum.to_f64()))
                })
            }
        };
        family
    }
}

/// Returns the bounds that all histograms have in common.
fn common_bounds<'a>(totals: impl Iterator<Item = &'a HistogramTotal>) -> Arc<[f64]> {
    let mut common: Option<Arc<[f64]>> = None;
    for total in totals {
        match &common {
            None => common = Some(Arc::clone(&total.bounds)),
            Some(bounds) if **bounds == *total.bounds => {}
            Some(bounds) => {
                let both = bounds.iter().copied().filter(|bound| {
                    total
                        .bounds
                        .binary_search_by(|other| other.total_cmp(bound))
                        .is_ok()
                });
                common = Some(both.collect());
            }
        }
    }
    common.unwrap_or_default()
}
