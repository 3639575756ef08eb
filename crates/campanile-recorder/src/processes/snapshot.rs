//! Makes what is rendered of what was added up.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Distribution, Family, Kind, Labels, Series, Value,
    processes::{
        limit::limit_series,
        totals::{FamilyTotals, Total, Totals},
        values::{GaugeTotal, HistogramTotal, add_histograms, in_common},
    },
};

/// What was left out, for want of one kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conflicts(pub(crate) Vec<(Arc<str>, u64)>);

impl Totals {
    /// Makes families of at most `limit` series, and tells of whom some were left out.
    pub(crate) fn into_families(self, limit: usize) -> (Vec<Family>, Conflicts) {
        let mut conflicts = Conflicts::default();
        let families = self.families.into_iter().filter_map(|(name, totals)| {
            let kind = totals.kind()?;
            let skipped = totals.series() - totals.series_of(kind);
            if skipped > 0 {
                conflicts.0.push((Arc::clone(&name), skipped as u64));
            }
            Some(totals.into_family(name, kind, limit))
        });
        (families.collect(), conflicts)
    }
}

impl FamilyTotals {
    /// The kind of this process, else that of the oldest series.
    fn kind(&self) -> Option<Kind> {
        fn oldest<T>(series: &BTreeMap<Labels, Total<T>>) -> Option<u64> {
            series.values().map(|total| total.since).min()
        }
        let by_age = || {
            let ages = [
                (oldest(&self.counters), Kind::Counter),
                (oldest(&self.gauges), Kind::Gauge),
                (oldest(&self.histograms), Kind::Histogram),
            ];
            let oldest = ages
                .into_iter()
                .filter_map(|(since, kind)| Some((since?, kind)))
                .min_by_key(|(since, _)| *since);
            oldest.map(|(_, kind)| kind)
        };
        self.own.or_else(by_age)
    }

    fn series(&self) -> usize {
        self.counters.len() + self.gauges.len() + self.histograms.len()
    }

    fn series_of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Counter => self.counters.len(),
            Kind::Gauge => self.gauges.len(),
            Kind::Histogram => self.histograms.len(),
        }
    }

    fn into_family(self, name: Arc<str>, kind: Kind, limit: usize) -> Family {
        let mut family = Family::new(name, kind);
        family.unit = self.unit;
        family.help = self.help;
        family.series = match kind {
            Kind::Counter => {
                let add = |total: &mut u64, value: u64| *total = total.wrapping_add(value);
                series(self.counters, limit, add, Value::Counter)
            }
            Kind::Gauge => series(self.gauges, limit, GaugeTotal::add, |gauge| {
                Value::Gauge(gauge.value)
            }),
            Kind::Histogram => {
                // One set of bounds for all series: quantiles over several are wrong where some lack a bucket.
                let bounds = common_bounds(self.histograms.values().flat_map(|total| &total.value));
                series(self.histograms, limit, add_histograms, |totals| {
                    let HistogramTotal { bounds, counts, sum } = in_common(&totals, &bounds);
                    Value::Histogram(Distribution::new(bounds, counts, sum.value()))
                })
            }
        };
        family
    }
}

fn series<T>(
    mut totals: BTreeMap<Labels, Total<T>>,
    limit: usize,
    add: impl Fn(&mut T, T),
    value: impl Fn(T) -> Value,
) -> Vec<Series> {
    limit_series(&mut totals, limit, add);
    totals
        .into_iter()
        .map(|(labels, total)| Series::new(labels, value(total.value)))
        .collect()
}

/// The bounds that all have.
fn common_bounds<'a>(totals: impl Iterator<Item = &'a HistogramTotal>) -> Arc<[f64]> {
    let mut common: Option<Arc<[f64]>> = None;
    for total in totals {
        match &common {
            None => common = Some(Arc::clone(&total.bounds)),
            Some(bounds) if **bounds == *total.bounds => {}
            Some(bounds) => {
                let both = bounds.iter().copied().filter(|bound| {
                    // Rising, so a search finds it.
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
