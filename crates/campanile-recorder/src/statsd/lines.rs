//! A recorder without memory: each event becomes a line in the queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder,
    SharedString, Unit,
};

use super::{
    counts::{Tally, add},
    line::{Form, SeriesLine},
    queue::Queue,
    scale::Scale,
};

/// Writes lines of counters' increments, gauges' values and observations. It knows no value, and so neither a gauge's
/// change nor an absolute count: [`StatefulRecorder`](super::StatefulRecorder) around it does.
#[derive(Debug)]
pub(super) struct Lines {
    form: Form,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    /// By name; one entry for each histogram that was registered or described.
    scales: Mutex<HashMap<String, Arc<Scale>>>,
}

impl Lines {
    pub(super) fn new(form: Form, queue: Arc<Queue>, tally: Arc<Tally>) -> Self {
        Self {
            form,
            queue,
            tally,
            scales: Mutex::default(),
        }
    }

    fn handle(&self, line: SeriesLine) -> Handle {
        Handle {
            line,
            queue: Arc::clone(&self.queue),
            tally: Arc::clone(&self.tally),
        }
    }

    fn scale(&self, name: &str) -> Arc<Scale> {
        let mut scales = self.scales.lock().unwrap_or_else(PoisonError::into_inner);
        let scale = scales
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Scale::new(name, None)));
        Arc::clone(scale)
    }
}

impl Recorder for Lines {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.scale(key.as_str()).learn(key.as_str(), unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let line = self.form.counter(key.name(), labels(key));
        Counter::from_arc(Arc::new(self.handle(line)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let line = self.form.series(key.name(), "", labels(key));
        Gauge::from_arc(Arc::new(self.handle(line)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let line = self.form.series(key.name(), "", labels(key));
        Histogram::from_arc(Arc::new(HistogramHandle {
            scale: self.scale(key.name()),
            handle: self.handle(line),
        }))
    }
}

fn labels(key: &Key) -> impl Iterator<Item = (&str, &str)> {
    key.labels().map(|label: &Label| (label.key(), label.value()))
}

struct Handle {
    line: SeriesLine,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
}

impl Handle {
    fn push(&self, value: f64, count: u64, write: impl FnOnce(&SeriesLine, &mut String)) {
        if value.is_finite() {
            self.queue.push(count, |lines| write(&self.line, lines));
        } else {
            add(&self.tally.lines_not_finite, 1);
        }
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.queue.push(1, |lines| self.line.count(value, lines));
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Handle {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        let count = self.line.gauge_lines(value);
        self.push(value, count, |line, lines| line.gauge(value, lines));
    }
}

struct HistogramHandle {
    scale: Arc<Scale>,
    handle: Handle,
}

impl HistogramFn for HistogramHandle {
    fn record(&self, value: f64) {
        let scale = self.scale.factor();
        let scaled = value * scale.unwrap_or(1.0);
        self.handle.push(scaled, 1, |line, lines| {
            if scale.is_some() {
                line.duration(scaled, lines);
            } else {
                line.histogram(scaled, lines);
            }
        });
    }
}
