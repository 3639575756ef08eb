//! The sums of the series of one metric and kind.

use std::{collections::BTreeMap, sync::Arc};

use crate::{GaugeMode, Labels, Series, Value, exact_sum::ExactSum, labels::EmptyLabels, registry::OVERFLOW};

/// The sums of one kind of metric, by labels.
#[derive(Debug)]
pub(crate) struct SeriesTotals<T> {
    totals: BTreeMap<Labels, Total<T>>,
    aliases: EmptyLabels,
}

/// The sum of one series.
#[derive(Debug)]
pub(crate) struct Total<T> {
    /// When the first process declared the series.
    pub(crate) since: u64,
    pub(crate) value: T,
}

/// A value that can be combined with that of another process.
pub(crate) trait Accumulate {
    fn accumulate(&mut self, other: Self);
}

impl<T> Default for SeriesTotals<T> {
    fn default() -> Self {
        Self {
            totals: BTreeMap::new(),
            aliases: EmptyLabels::default(),
        }
    }
}

impl<T: Accumulate> SeriesTotals<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Labels, &Total<T>)> {
        self.totals.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.totals.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    pub(crate) fn add(&mut self, labels: &Labels, since: u64, value: T) {
        let alias = match self.totals.contains_key(labels) {
            true => None,
            false => self
                .aliases
                .find(labels, |labels| self.totals.contains_key(labels)),
        };
        match self.totals.get_mut(alias.as_ref().unwrap_or(labels)) {
            Some(total) => {
                total.since = total.since.min(since);
                total.value.accumulate(value);
            }
            None => {
                self.aliases.add(labels);
                self.totals.insert(labels.clone(), Total { since, value });
            }
        }
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        self.totals.values().map(|total| total.since).min()
    }

    /// Keeps the oldest `limit` series and adds the others to the overflow series.
    ///
    /// A series is never removed from a process, so one that exceeds the limit does so for good, and no count moves back
    /// and forth between its own series and the overflow series.
    pub(crate) fn limit(&mut self, limit: usize) {
        let overflow = Labels::new([OVERFLOW]);
        let series = self.totals.len() - usize::from(self.totals.contains_key(&overflow));
        if series <= limit {
            return;
        }
        let mut by_age: Vec<(u64, Labels)> = self
            .totals
            .iter()
            .filter(|(labels, _)| **labels != overflow)
            .map(|(labels, total)| (total.since, labels.clone()))
            .collect();
        by_age.sort_unstable();
        for (_, labels) in &by_age[limit..] {
            if let Some(Total { since, value }) = self.totals.remove(labels) {
                self.add(&overflow, since, value);
            }
        }
    }

    pub(crate) fn into_series(mut self, limit: usize, value: impl Fn(T) -> Value) -> Vec<Series> {
        self.limit(limit);
        self.totals
            .into_iter()
            .map(|(labels, total)| Series::new(labels, value(total.value)))
            .collect()
    }
}

impl Accumulate for u64 {
    fn accumulate(&mut self, other: Self) {
        *self = self.wrapping_add(other);
    }
}

/// A gauge of several processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GaugeTotal {
    pub(crate) mode: GaugeMode,
    pub(crate) value: f64,
    /// When the latest of the processes started.
    pub(crate) started: u64,
}

impl Accumulate for GaugeTotal {
    fn accumulate(&mut self, other: Self) {
        match self.mode {
            GaugeMode::Sum => self.value += other.value,
            GaugeMode::Max => self.value = self.value.max(other.value),
            // Two containers can have the same pid: the later process wins.
            GaugeMode::PerProcess if other.started > self.started => self.value = other.value,
            GaugeMode::PerProcess => return,
        }
        self.started = self.started.max(other.started);
    }
}

/// A histogram of several processes that share its bounds.
#[derive(Debug, Clone)]
pub(crate) struct HistogramTotal {
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) counts: Box<[u64]>,
    pub(crate) sum: ExactSum,
}

impl HistogramTotal {
    pub(crate) fn new(bounds: Arc<[f64]>) -> Self {
        Self {
            counts: vec![0; bounds.len() + 1].into_boxed_slice(),
            bounds,
            sum: ExactSum::default(),
        }
    }

    /// Adds a histogram with the same bounds.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.sum = self.sum.plus(other.sum);
    }

    /// Returns the same observations in fewer buckets. `bounds` must be a subset of its own.
    pub(crate) fn in_bounds(&self, bounds: &Arc<[f64]>) -> Self {
        let mut merged = Self::new(Arc::clone(bounds));
        for (index, count) in self.counts.iter().enumerate() {
            let bucket = match self.bounds.get(index) {
                Some(bound) => bounds.partition_point(|common| common < bound),
                None => bounds.len(),
            };
            merged.counts[bucket] = merged.counts[bucket].wrapping_add(*count);
        }
        merged.sum = self.sum;
        merged
    }
}

impl Accumulate for Vec<HistogramTotal> {
    /// Keeps one histogram per set of bounds.
    fn accumulate(&mut self, others: Self) {
        for other in others {
            match self.iter_mut().find(|total| total.bounds == other.bounds) {
                Some(total) => total.add(&other),
                None => self.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_series_are_kept_and_the_others_overflow() {
        let mut totals = SeriesTotals::<u64>::default();
        for (id, since) in [("a", 3), ("b", 1), ("c", 2), ("d", 4)] {
            totals.add(&Labels::new([("id", id)]), since, since);
        }
        totals.limit(2);
        totals.limit(2);
        let left: Vec<_> = totals
            .iter()
            .map(|(labels, total)| (labels.as_str(), total.value))
            .collect();
        assert_eq!(
            left,
            [
                ("id=\"b\"", 1),
                ("id=\"c\"", 2),
                ("otel_metric_overflow=\"true\"", 7)
            ]
        );
    }
}
