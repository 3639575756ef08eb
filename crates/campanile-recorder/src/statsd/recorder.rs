//! The recorder that sends a line per event.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder,
    SharedString, Unit,
};

use super::{
    SendStats, StatefulRecorder,
    duration_scale::DurationScale,
    line::{LineStyle, SeriesLine},
    queue::LineQueue,
    stats::{AtomicStats, add},
};

/// Queues a line per event, to be sent by a [`LineSender`](super::LineSender). See the [module docs](super).
///
/// Clones share their state: install one and keep another.
#[derive(Clone, Debug)]
pub struct StatsdRecorder {
    inner: StatefulRecorder<EventRecorder>,
    stats: Arc<AtomicStats>,
}

impl StatsdRecorder {
    pub(super) fn new(style: LineStyle, queue: Arc<LineQueue>, stats: Arc<AtomicStats>) -> Self {
        let events = EventRecorder {
            style,
            queue,
            stats: Arc::clone(&stats),
            scales: Mutex::default(),
        };
        Self {
            inner: StatefulRecorder::new(events),
            stats,
        }
    }

    /// Returns counts of sent and dropped lines.
    pub fn stats(&self) -> SendStats {
        self.stats.load()
    }

    /// Queues all gauges, as far as there is space. The sender does so each period, and makes space.
    pub fn resend(&self) {
        self.inner.resend();
    }

    pub(super) fn resend_while(&self, proceed: impl FnMut() -> ControlFlow<()>) {
        self.inner.resend_while(proceed);
    }
}

impl Recorder for StatsdRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.inner.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.inner.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.inner.register_histogram(key, metadata)
    }
}

/// Queues increments of counters, values of gauges, and observations. It keeps no values, so the [`StatefulRecorder`]
/// around it converts changes of gauges and absolute counts.
#[derive(Debug)]
struct EventRecorder {
    style: LineStyle,
    queue: Arc<LineQueue>,
    stats: Arc<AtomicStats>,
    /// The scales of histograms that were registered or described, by name.
    scales: Mutex<HashMap<String, Arc<DurationScale>>>,
}

impl EventRecorder {
    fn handle(&self, line: SeriesLine) -> EventHandle {
        EventHandle {
            line,
            queue: Arc::clone(&self.queue),
            stats: Arc::clone(&self.stats),
        }
    }

    fn scale(&self, name: &str) -> Arc<DurationScale> {
        let mut scales = self.scales.lock().unwrap_or_else(PoisonError::into_inner);
        let scale = scales
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(DurationScale::new(name, None)));
        Arc::clone(scale)
    }
}

impl Recorder for EventRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.scale(key.as_str()).learn(key.as_str(), unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let line = self.style.counter(key.name(), labels(key));
        Counter::from_arc(Arc::new(self.handle(line)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let line = self.style.series(key.name(), "", labels(key));
        Gauge::from_arc(Arc::new(self.handle(line)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let line = self.style.series(key.name(), "", labels(key));
        Histogram::from_arc(Arc::new(HistogramHandle {
            scale: self.scale(key.name()),
            handle: self.handle(line),
        }))
    }
}

fn labels(key: &Key) -> impl Iterator<Item = (&str, &str)> {
    key.labels().map(|label: &Label| (label.key(), label.value()))
}

struct EventHandle {
    line: SeriesLine,
    queue: Arc<LineQueue>,
    stats: Arc<AtomicStats>,
}

impl EventHandle {
    fn push(&self, value: f64, count: u64, write: impl FnOnce(&SeriesLine, &mut String)) {
        if value.is_finite() {
            self.queue.push(count, |lines| write(&self.line, lines));
        } else {
            add(&self.stats.lines_not_finite, 1);
        }
    }
}

impl CounterFn for EventHandle {
    fn increment(&self, value: u64) {
        self.queue.push(1, |lines| self.line.count(value, lines));
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for EventHandle {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        let count = self.line.gauge_lines(value);
        self.push(value, count, |line, lines| line.gauge(value, lines));
    }
}

struct HistogramHandle {
    scale: Arc<DurationScale>,
    handle: EventHandle,
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
