//! Gauges and histograms of several processes, and how two of them are one.

use std::sync::Arc;

use crate::{processes::GaugeMode, sum::Sum};

/// A gauge of several processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GaugeTotal {
    pub(crate) mode: GaugeMode,
    pub(crate) value: f64,
    /// When the process began that it is of.
    pub(crate) started: u64,
}

/// What was observed with the same bounds.
#[derive(Debug, Clone)]
pub(crate) struct HistogramTotal {
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) counts: Box<[u64]>,
    pub(crate) sum: Sum,
}

impl GaugeTotal {
    /// Adds that of another process.
    pub(crate) fn add(&mut self, other: Self) {
        match self.mode {
            GaugeMode::Sum => self.value += other.value,
            GaugeMode::Max => self.value = self.value.max(other.value),
            // Of one pid in two containers the younger is shown.
            GaugeMode::PerProcess if other.started > self.started => self.value = other.value,
            GaugeMode::PerProcess => return,
        }
        self.started = self.started.max(other.started);
    }
}

impl HistogramTotal {
    /// Adds one of the same bounds.
    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.sum = self.sum.plus(other.sum);
    }

    /// The same observations in fewer buckets; `bounds` are all among its own.
    pub(crate) fn in_bounds(&self, bounds: &Arc<[f64]>) -> Self {
        let mut counts = vec![0_u64; bounds.len() + 1].into_boxed_slice();
        for (index, count) in self.counts.iter().enumerate() {
            let bucket = match self.bounds.get(index) {
                Some(bound) => bounds.partition_point(|common| common < bound),
                None => bounds.len(),
            };
            counts[bucket] = counts[bucket].wrapping_add(*count);
        }
        Self {
            bounds: Arc::clone(bounds),
            counts,
            sum: self.sum,
        }
    }
}

/// Adds observations, those of the same bounds to one another.
pub(crate) fn add_histograms(totals: &mut Vec<HistogramTotal>, others: Vec<HistogramTotal>) {
    for other in others {
        match totals.iter_mut().find(|total| total.bounds == other.bounds) {
            Some(total) => total.add(&other),
            None => totals.push(other),
        }
    }
}

/// Adds up observations of any bounds in buckets that all of them have: then no bucket is wrong.
pub(crate) fn in_common(totals: &[HistogramTotal], bounds: &Arc<[f64]>) -> HistogramTotal {
    let empty = HistogramTotal {
        bounds: Arc::clone(bounds),
        counts: vec![0; bounds.len() + 1].into_boxed_slice(),
        sum: Sum::default(),
    };
    totals.iter().fold(empty, |mut sum, total| {
        sum.add(&total.in_bounds(bounds));
        sum
    })
}
