//! What stands between a source's handle and the recorder's own, where something has to.

use std::sync::Arc;

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, Metadata, Recorder};

use super::sum::Sums;
use crate::MetricKind;

/// What the three handles have in common for a profile.
pub(super) trait Handle: Sized {
    const KIND: MetricKind;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self;
    /// Makes a handle that multiplies values.
    fn scaled(self, factor: f64) -> Self;
    /// Makes a handle that does nothing.
    fn of_none() -> Self;
    /// Makes a handle that feeds several.
    fn of_several(handles: Vec<Self>) -> Self;

    /// Makes a handle that feeds all of these: where it is one, that one itself.
    fn of(handles: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(handles) {
            Ok([one]) => one,
            Err(none) if none.is_empty() => Self::of_none(),
            Err(several) => Self::of_several(several),
        }
    }

    /// Makes a handle that contributes to one that others feed too.
    ///
    /// Counters and histograms are added to anyway; only of gauges the last that is set wins.
    fn part(self, _sums: &Sums, _source: &Key, _target: &Key) -> Self {
        self
    }
}

impl Handle for Counter {
    const KIND: MetricKind = MetricKind::Counter;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_counter(key, metadata)
    }

    /// Never called with a factor: a table with a scaled counter is refused.
    fn scaled(self, _factor: f64) -> Self {
        self
    }

    fn of_none() -> Self {
        Self::noop()
    }

    fn of_several(handles: Vec<Self>) -> Self {
        Self::from_arc(Arc::new(FanOut(handles)))
    }
}

impl Handle for Gauge {
    const KIND: MetricKind = MetricKind::Gauge;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_gauge(key, metadata)
    }

    fn scaled(self, factor: f64) -> Self {
        Self::from_arc(Arc::new(Scaled { inner: self, factor }))
    }

    fn of_none() -> Self {
        Self::noop()
    }

    fn of_several(handles: Vec<Self>) -> Self {
        Self::from_arc(Arc::new(FanOut(handles)))
    }

    fn part(self, sums: &Sums, source: &Key, target: &Key) -> Self {
        sums.part(source, target, self)
    }
}

impl Handle for Histogram {
    const KIND: MetricKind = MetricKind::Histogram;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_histogram(key, metadata)
    }

    fn scaled(self, factor: f64) -> Self {
        Self::from_arc(Arc::new(Scaled { inner: self, factor }))
    }

    fn of_none() -> Self {
        Self::noop()
    }

    fn of_several(handles: Vec<Self>) -> Self {
        Self::from_arc(Arc::new(FanOut(handles)))
    }
}

struct Scaled<T> {
    inner: T,
    factor: f64,
}

impl GaugeFn for Scaled<Gauge> {
    fn increment(&self, value: f64) {
        self.inner.increment(value * self.factor);
    }

    fn decrement(&self, value: f64) {
        self.inner.decrement(value * self.factor);
    }

    fn set(&self, value: f64) {
        self.inner.set(value * self.factor);
    }
}

impl HistogramFn for Scaled<Histogram> {
    fn record(&self, value: f64) {
        self.inner.record(value * self.factor);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.inner.record_many(value * self.factor, count);
    }
}

/// Several targets of one source, in the order of the table.
struct FanOut<T>(Vec<T>);

impl CounterFn for FanOut<Counter> {
    fn increment(&self, value: u64) {
        self.0.iter().for_each(|counter| counter.increment(value));
    }

    fn absolute(&self, value: u64) {
        self.0.iter().for_each(|counter| counter.absolute(value));
    }
}

impl GaugeFn for FanOut<Gauge> {
    fn increment(&self, value: f64) {
        self.0.iter().for_each(|gauge| gauge.increment(value));
    }

    fn decrement(&self, value: f64) {
        self.0.iter().for_each(|gauge| gauge.decrement(value));
    }

    fn set(&self, value: f64) {
        self.0.iter().for_each(|gauge| gauge.set(value));
    }
}

impl HistogramFn for FanOut<Histogram> {
    fn record(&self, value: f64) {
        self.0.iter().for_each(|histogram| histogram.record(value));
    }

    fn record_many(&self, value: f64, count: usize) {
        self.0
            .iter()
            .for_each(|histogram| histogram.record_many(value, count));
    }
}
