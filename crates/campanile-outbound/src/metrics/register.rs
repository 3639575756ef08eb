//! Registers and describes a metric of this crate's list.

use campanile_core::series::{METADATA, Metric};
use metrics::{Counter, Gauge, Histogram, Label, Recorder};

fn key<const N: usize>(metric: &Metric, labels: [(&'static str, &'static str); N]) -> metrics::Key {
    let mut labels: Vec<_> = labels
        .into_iter()
        .map(|(key, value)| Label::from_static_parts(key, value))
        .collect();
    // There are recorders that render labels in the order of the key.
    labels.sort_unstable();
    metrics::Key::from_parts(metric.name, labels)
}

pub(crate) fn register_counter<const N: usize>(
    recorder: &dyn Recorder,
    metric: &Metric,
    labels: [(&'static str, &'static str); N],
) -> Counter {
    metric.describe(recorder);
    recorder.register_counter(&key(metric, labels), &METADATA)
}

pub(crate) fn register_gauge<const N: usize>(
    recorder: &dyn Recorder,
    metric: &Metric,
    labels: [(&'static str, &'static str); N],
) -> Gauge {
    metric.describe(recorder);
    recorder.register_gauge(&key(metric, labels), &METADATA)
}

pub(crate) fn register_histogram<const N: usize>(
    recorder: &dyn Recorder,
    metric: &Metric,
    labels: [(&'static str, &'static str); N],
) -> Histogram {
    metric.describe(recorder);
    recorder.register_histogram(&key(metric, labels), &METADATA)
}
