//! The handles between a source and its targets.

use std::sync::Arc;

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, Metadata, Recorder};

use super::shared_gauge::SharedGauges;
use crate::MetricKind;

/// The operations that a profile needs of all three handles.
pub(super) trait TargetHandle: Sized {
    const KIND: MetricKind;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self;
    /// Returns a handle that multiplies values.
    fn scaled(self, factor: f64) -> Self;
    /// Returns a handle that drops values.
    fn noop() -> Self;
    /// Returns a handle that records in several others.
    fn fan_out(handles: Vec<Self>) -> Self;

    /// Returns a handle that records in all of `handles`, which is the handle itself if there is only one.
    fn combine(handles: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(handles) {
            Ok([handle]) => handle,
            Err(none) if none.is_empty() => Self::noop(),
            Err(handles) => Self::fan_out(handles),
        }
    }

    /// Returns a handle for one of several sources of a target.
    ///
    /// Counters and histograms add up anyway; with gauges the last set would win.
    fn shared(self, _gauges: &SharedGauges, _source: &Key, _target: &Key) -> Self {
        self
    }
}

impl TargetHandle for Counter {
    const KIND: MetricKind = MetricKind::Counter;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_counter(key, metadata)
    }

    /// Not called: a scaled counter is rejected by the validation.
    fn scaled(self, _factor: f64) -> Self {
        self
    }

    fn noop() -> Self {
        Self::noop()
    }

    fn fan_out(handles: Vec<Self>) -> Self {
        Self::from_arc(Arc::new(FanOut(handles)))
    }
}

impl TargetHandle for Gauge {
    const KIND: MetricKind = MetricKind::Gauge;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_gauge(key, metadata)
    }

    fn scaled(self, factor: f64) -> Self {
        Self::from_arc(Arc::new(Scaled { inner: self, factor }))
    }

    fn noop() -> Self {
        Self::noop()
    }

    fn fan_out(handles: Vec<Self>) -> Self {
        Self::from_arc(Arc::new(FanOut(handles)))
    }

    fn shared(self, gauges: &SharedGauges, source: &Key, target: &Key) -> Self {
        gauges.part(source, target, self)
    }
}

impl TargetHandle for Histogram {
    const KIND: MetricKind = MetricKind::Histogram;

    fn register(recorder: &impl Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_histogram(key, metadata)
    }

    fn scaled(self, factor: f64) -> Self {
        Self::from_arc(Arc::new(Scaled { inner: self, factor }))
    }

    fn noop() -> Self {
        Self::noop()
    }

    fn fan_out(handles: Vec<Self>) -> Self {
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

/// The targets of one source, in the order of the table.
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
