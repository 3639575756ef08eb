//! metrics-exporter-statsd, with and without `StatefulRecorder`.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use campanile_recorder::statsd::StatefulRecorder;
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_statsd::{StatsdBuilder, StatsdRecorder};

use super::support::{Daemon, counter, gauge, histogram};

fn exporter(daemon: &Daemon) -> StatsdRecorder {
    let address = daemon.address();
    let (host, port) = address.split_once(':').expect("is an IPv4 address");
    // With a buffer of one byte, each line is sent separately.
    StatsdBuilder::from(host, port.parse().expect("is a port"))
        .with_queue_size(100_000)
        .with_buffer_size(1)
        .build(Some("p"))
        .expect("a socket can be opened")
}

fn record(recorder: &dyn Recorder) {
    let active = gauge(recorder, "active", &[]);
    active.increment(2);
    gauge(recorder, "active", &[]).increment(1);
    active.decrement(3);
    active.set(7);
    let seen = counter(recorder, "seen", &[]);
    seen.increment(1);
    seen.absolute(10);
    seen.absolute(4);
    histogram(recorder, "size", &[]).record(5.0);
    counter(recorder, "last", &[]).increment(1);
}

#[test]
fn the_exporter_alone_ignores_changes_and_absolute_counts() {
    let daemon = Daemon::new();
    record(&exporter(&daemon));
    assert_eq!(
        daemon.lines_until("p.last:1|c"),
        ["p.active:7|g", "p.seen:1|c", "p.size:5|h", "p.last:1|c"]
    );
}

#[test]
fn stateful_recorder_sends_changes_and_absolute_counts() {
    let daemon = Daemon::new();
    let recorder = StatefulRecorder::new(exporter(&daemon));
    record(&recorder);
    assert_eq!(
        daemon.lines_until("p.last:1|c"),
        [
            "p.active:2|g",
            "p.active:3|g",
            "p.active:0|g",
            "p.active:7|g",
            "p.seen:1|c",
            "p.seen:9|c",
            "p.size:5|h",
            "p.last:1|c"
        ]
    );
    gauge(&recorder, "idle", &[]).set(0.0);
    assert_eq!(daemon.datagram(), "p.idle:0|g");
    recorder.resend();
    let mut again = [daemon.datagram(), daemon.datagram()];
    again.sort();
    assert_eq!(again, ["p.active:7|g", "p.idle:0|g"]);
}

#[test]
fn concurrent_changes_are_not_lost() {
    let daemon = Daemon::new();
    let recorder = StatefulRecorder::new(exporter(&daemon));
    thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = &recorder;
            scope.spawn(move || {
                let active = gauge(recorder, "active", &[]);
                let seen = counter(recorder, "seen", &[]);
                // Each line is a datagram here, and a socket holds some 250 unread ones.
                for step in 0..20 {
                    active.increment(0.5);
                    seen.absolute(step * 4 + thread + 1);
                }
            });
        }
    });
    counter(&recorder, "last", &[]).increment(1);
    let lines = daemon.lines_until("p.last:1|c");
    let value = |line: &str, name| {
        let (value, _) = line.strip_prefix(name)?.split_once('|')?;
        value.parse::<f64>().ok()
    };
    let gauges: Vec<_> = lines.iter().filter_map(|line| value(line, "p.active:")).collect();
    let expected: Vec<_> = (1..=80).map(|step| f64::from(step) / 2.0).collect();
    assert_eq!(gauges, expected);
    let counted: f64 = lines.iter().filter_map(|line| value(line, "p.seen:")).sum();
    assert!((counted - 80.0).abs() < 1e-9, "{counted}");
}

/// Collects the values that gauges are set to.
#[derive(Default)]
struct Sets(Arc<Mutex<Vec<f64>>>);

struct Noting(Arc<Mutex<Vec<f64>>>);

impl GaugeFn for Noting {
    fn increment(&self, _: f64) {
        panic!("the layer sets");
    }

    fn decrement(&self, _: f64) {
        panic!("the layer sets");
    }

    fn set(&self, value: f64) {
        self.0.lock().expect("no test panics with the lock").push(value);
    }
}

impl Recorder for Sets {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Noting(Arc::clone(&self.0))))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_gauge_is_set_in_the_order_of_its_changes() {
    let recorder = StatefulRecorder::new(Sets::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let active = gauge(&recorder, "active", &[]);
                for _ in 0..50_000 {
                    active.increment(1);
                }
            });
        }
    });
    let sets = recorder.get_ref().0.lock().unwrap();
    let expected: Vec<_> = (1..=200_000).map(f64::from).collect();
    assert!(*sets == expected, "values are out of order");
}

#[test]
fn values_that_are_not_finite_do_not_affect_later_changes() {
    let daemon = Daemon::new();
    let recorder = StatefulRecorder::new(exporter(&daemon));
    let active = gauge(&recorder, "active", &[]);
    active.increment(1.0);
    active.increment(f64::NAN);
    active.decrement(f64::INFINITY);
    active.increment(1.0);
    active.set(f64::MAX);
    active.increment(f64::MAX);
    active.set(5.0);
    active.set(f64::NAN);
    active.increment(1.0);
    counter(&recorder, "last", &[]).increment(1);
    let lines = daemon.lines_until("p.last:1|c");
    let max = format!("p.active:{}|g", f64::MAX);
    assert_eq!(
        lines,
        [
            "p.active:1|g",
            "p.active:2|g",
            &max,
            "p.active:5|g",
            "p.active:NaN|g",
            "p.active:6|g",
            "p.last:1|c"
        ]
    );
}
