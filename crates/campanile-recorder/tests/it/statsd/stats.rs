//! Counts of sent and dropped lines, as metrics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use campanile_recorder::{CellRecorder, Format, statsd::METRICS};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::support::{Daemon, Running, counter, histogram};

/// Sums the increments of counters.
#[derive(Default)]
struct CountingRecorder {
    counters: Arc<Mutex<BTreeMap<String, u64>>>,
}

struct Handle(String, Arc<Mutex<BTreeMap<String, u64>>>);

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        *self
            .1
            .lock()
            .expect("no test panics with the lock")
            .entry(self.0.clone())
            .or_default() += value;
    }

    fn absolute(&self, _: u64) {
        panic!("metrics-exporter-statsd would drop it");
    }
}

impl Recorder for CountingRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{} {}", key.name(), labels.join(","));
        Counter::from_arc(Arc::new(Handle(
            name.trim().to_owned(),
            Arc::clone(&self.counters),
        )))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn counts_of_lines_are_published_to_a_recorder() {
    let daemon = Daemon::new();
    let kept: &'static CountingRecorder = Box::leak(Box::default());
    let running = Running::start(daemon.statsd().with_recorder(kept));
    counter(&running.recorder, "a", &[]).increment(1);
    counter(&running.recorder, &"t".repeat(2_000), &[]).increment(1);
    histogram(&running.recorder, "h", &[]).record(f64::NAN);
    running.end();
    let counters = kept.counters.lock().unwrap().clone();
    let expected = [
        ("campanile_statsd_datagrams_sent_total", 1),
        ("campanile_statsd_lines_dropped_total not_finite", 1),
        ("campanile_statsd_lines_dropped_total too_long", 1),
        ("campanile_statsd_lines_sent_total", 1),
    ];
    assert_eq!(
        counters,
        expected.map(|(name, value)| (name.to_owned(), value)).into()
    );
}

#[test]
fn losses_are_in_the_text_of_the_recorder() {
    let daemon = Daemon::new();
    let cells = Arc::new(CellRecorder::new());
    let running = Running::start(daemon.statsd().with_recorder(Arc::clone(&cells)));
    counter(&running.recorder, &"t".repeat(2_000), &[]).increment(1);
    running.end();
    let text = cells.render(Format::Prometheus);
    let line = "campanile_statsd_lines_dropped_total{reason=\"too_long\"} 1\n";
    assert!(text.contains(line), "{text}");
    for metric in METRICS {
        assert!(
            text.contains(&format!("# TYPE {} counter\n", metric.name())),
            "{text}"
        );
    }
}
