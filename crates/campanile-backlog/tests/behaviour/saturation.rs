//! Saturation and its readiness check.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile_backlog::{BacklogMonitor, Saturation, SaturationGate};

use crate::support::namespace::in_namespace;
use crate::support::queue::{connect_some, eventually, listen};
use crate::support::recorder::recorder;

#[test]
fn saturation_is_the_largest_signal() {
    let metrics = recorder();
    let mut saturation = Saturation::new()
        .with_recorder(metrics)
        .with_in_flight(|| 128, || 512)
        .with_workers(|| 6, || 8)
        .with_signal("unlimited", || f64::NAN)
        .with_signal("beyond", || -3.0);
    assert_eq!(saturation.sample(), 0.75);
    assert_eq!(metrics.value("saturation_ratio"), Some(0.75));
    for (signal, ratio) in [
        ("in_flight", 0.25),
        ("workers", 0.75),
        ("unlimited", 0.0),
        ("beyond", 0.0),
    ] {
        assert_eq!(
            metrics.value(&format!("saturation_signal_ratio{{signal={signal}}}")),
            Some(ratio)
        );
    }
    assert_eq!(
        saturation.with_in_flight(|| 9, || 3).sample(),
        1.0,
        "replaced, and clamped to 1"
    );
}

#[test]
fn limit_of_zero_means_no_limit() {
    assert_eq!(Saturation::new().sample(), 0.0);
    assert_eq!(
        Saturation::new()
            .with_in_flight(|| 7, || 0)
            .with_workers(|| 0, || 0)
            .sample(),
        0.0
    );
}

#[test]
fn monitor_computes_saturation_from_full_queues() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let (one, two) = (listen("127.0.0.1:1", 4), listen("127.0.0.1:2", 10));
        let backlogs = [monitor.watch(&one).unwrap(), monitor.watch(&two).unwrap()];
        let saturation = Saturation::new().with_backlogs(backlogs);
        let level = saturation.level();
        let mut monitor = monitor.with_saturation(saturation);
        let mut clients = vec![connect_some(&one, 2), connect_some(&two, 2)];
        monitor.sample();
        assert_eq!(level.ratio(), 0.5);
        clients.push(connect_some(&one, 3));
        monitor.sample();
        assert_eq!(
            level.ratio(),
            1.0,
            "clamped, since the queue holds one more than its limit"
        );
        assert_eq!(
            metrics.value("saturation_signal_ratio{signal=backlog}"),
            Some(1.0)
        );
        drop(one);
        monitor.sample();
        assert_eq!(level.ratio(), 0.2, "a closed queue is not full");
        drop(monitor);
        assert_eq!(metrics.value("saturation_ratio"), Some(0.0));
    });
}

#[test]
fn gate_has_hysteresis_between_its_thresholds() {
    let used = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&used);
    let mut saturation = Saturation::new().with_in_flight(move || current.load(Ordering::Relaxed), || 100);
    let gate = SaturationGate::new(saturation.level())
        .with_thresholds(0.9, 0.6)
        .unwrap();
    assert!(gate.check().is_ok(), "no value yet");
    for (now, is_ready) in [
        (89, true),
        (90, false),
        (89, false),
        (60, false),
        (59, true),
        (89, true),
        (100, false),
    ] {
        used.store(now, Ordering::Relaxed);
        saturation.sample();
        assert_eq!(gate.check().is_ok(), is_ready, "at {now}");
        assert_eq!(gate.clone().check().is_ok(), is_ready, "at {now}, second check");
    }
    let error = gate.check().unwrap_err();
    assert_eq!(error.to_string(), "saturation is 1.00, ready again below 0.60");
}

#[test]
fn gate_passes_if_the_saturation_is_stale() {
    let mut saturation = Saturation::new().with_workers(|| 1, || 1);
    let gate = SaturationGate::new(saturation.level()).with_max_age(Duration::from_millis(30));
    eventually("a fresh value to refuse", || {
        saturation.sample();
        gate.check().is_err()
    });
    eventually("the value to be old", || gate.check().is_ok());
}

#[test]
fn invalid_thresholds_are_an_error() {
    for (refuse_from, accept_below) in [(0.5, 0.6), (1.1, 0.5), (0.5, 0.0), (f64::NAN, 0.5)] {
        let gate = SaturationGate::new(Saturation::new().level());
        let error = gate.with_thresholds(refuse_from, accept_below).unwrap_err();
        assert!(error.to_string().starts_with("invalid thresholds: "), "{error}");
    }
}

#[test]
fn a_closure_that_panics_keeps_its_last_value_and_ends_nothing() {
    let metrics = recorder();
    let calls = Arc::new(AtomicUsize::new(0));
    let saturation = Saturation::new()
        .with_signal("steady", || 0.25)
        .with_signal("broken", move || match calls.fetch_add(1, Ordering::Relaxed) {
            0 => 0.5,
            _ => panic!("expected by the test"),
        });
    let mut monitor = BacklogMonitor::new()
        .with_recorder(metrics)
        .with_writer(|| panic!("expected by the test"))
        .with_saturation(saturation);
    for _ in 0..3 {
        monitor.sample();
    }
    assert_eq!(metrics.value("saturation_ratio"), Some(0.5));
    assert_eq!(
        metrics.value("saturation_signal_ratio{signal=steady}"),
        Some(0.25)
    );
    let panics =
        |closure: &str| metrics.value(&format!("campanile_closure_panics_total{{closure={closure}}}"));
    assert_eq!(panics("saturation:broken"), Some(2.0));
    assert_eq!(panics("is_writer"), Some(3.0));
}
