//! Gauges with several sources.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use campanile_recorder::profile::{Profile, Row};
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::support::{gauge, over};

#[test]
fn setting_sources_sets_the_sum() {
    let (recorder, recording) = over([Row::gauge("g", "all").with_labels(&[])]);
    let (one, two) = (gauge(&recorder, "g{x=1}"), gauge(&recorder, "g{x=2}"));
    one.set(3.0);
    two.set(4.0);
    one.set(5.0);
    two.set(0.0);
    // Set rather than incremented, for recorders without increments.
    assert_eq!(
        recording.recorded(),
        ["all{} =3", "all{} =7", "all{} =9", "all{} =5"]
    );
}

#[test]
fn sources_can_be_set_and_incremented() {
    let (recorder, recording) = over([
        Row::gauge("g", "all").with_labels(&[]),
        Row::gauge("k", "all")
            .with_labels(&[])
            .with_scale(10.0, Unit::Count),
    ]);
    let (one, two, ten) = (
        gauge(&recorder, "g{x=1}"),
        gauge(&recorder, "g{x=2}"),
        gauge(&recorder, "k"),
    );
    one.set(3.0);
    two.increment(2.0);
    assert_eq!(recording.gauge("all{}"), 5.0);
    one.decrement(1.0);
    one.set(7.0);
    assert_eq!(recording.gauge("all{}"), 9.0);
    two.set(1.0);
    assert_eq!(recording.gauge("all{}"), 8.0);
    ten.set(2.0);
    ten.decrement(1.0);
    assert_eq!(recording.gauge("all{}"), 18.0);
    for handle in [&one, &two, &ten] {
        handle.set(0.0);
    }
    assert_eq!(recording.gauge("all{}"), 0.0);
}

#[test]
fn a_source_that_is_registered_twice_has_one_part_in_a_shared_gauge() {
    let (recorder, recording) = over([Row::gauge("g", "all").with_labels(&[])]);
    gauge(&recorder, "g{x=2}").set(1.0);
    for value in [3.0, 4.0, 5.0] {
        gauge(&recorder, "g{x=1}").set(value);
    }
    assert_eq!(recording.gauge("all{}"), 6.0);
}

#[test]
fn values_that_are_not_finite_contribute_nothing() {
    let (recorder, recording) = over([Row::gauge("g", "all").with_labels(&[])]);
    let (one, two) = (gauge(&recorder, "g{x=1}"), gauge(&recorder, "g{x=2}"));
    one.set(3.0);
    two.set(f64::NAN);
    two.set(f64::INFINITY);
    two.increment(f64::NAN);
    assert_eq!(recording.gauge("all{}"), 3.0);
    two.set(1.0);
    assert_eq!(recording.gauge("all{}"), 4.0);
}

#[test]
fn concurrent_changes_of_a_shared_gauge_are_not_lost() {
    let (recorder, recording) = over([Row::gauge("g", "all").with_labels(&[])]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let level = gauge(&recorder, &format!("g{{x={thread}}}"));
            scope.spawn(move || {
                for round in 0..1_000_u32 {
                    // The first rounds only set, so that the switch to increments happens concurrently.
                    if round < 500 || thread % 2 == 0 {
                        level.set(f64::from(round % 7));
                    } else {
                        level.increment(1.0);
                        level.decrement(1.0);
                    }
                }
                level.set(10.0);
            });
        }
    });
    assert_eq!(recording.gauge("all{}"), 40.0);
}

/// A recorder whose only gauge, while being set, waits for a concurrent increment.
#[derive(Clone, Default)]
struct SlowRecorder(Arc<SlowGauge>);

#[derive(Default)]
struct SlowGauge {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    value: f64,
    is_being_set: bool,
    added: bool,
}

impl GaugeFn for SlowGauge {
    fn increment(&self, value: f64) {
        let mut state = self.state.lock().unwrap();
        state.value += value;
        state.added = true;
        self.changed.notify_all();
    }

    fn decrement(&self, value: f64) {
        self.increment(-value);
    }

    fn set(&self, value: f64) {
        let mut state = self.state.lock().unwrap();
        state.is_being_set = true;
        self.changed.notify_all();
        // Always waits this long, since no increment must come; long enough to catch one that does.
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, Duration::from_millis(200), |state| !state.added)
            .unwrap();
        state.value = value;
    }
}

impl Recorder for SlowRecorder {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::clone(&self.0))
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn an_increment_during_a_set_is_not_lost() {
    let slow = SlowRecorder::default();
    let profile = Profile::new([Row::gauge("g", "all").with_labels(&[])]).unwrap();
    let recorder = profile.over(slow.clone());
    let (sampled, counted) = (gauge(&recorder, "g{x=1}"), gauge(&recorder, "g{x=2}"));
    std::thread::scope(|scope| {
        scope.spawn(move || sampled.set(3.0));
        let state = slow.0.state.lock().unwrap();
        let waited = slow
            .0
            .changed
            .wait_timeout_while(state, Duration::from_secs(10), |state| !state.is_being_set)
            .unwrap();
        assert!(!waited.1.timed_out(), "the gauge was not set within 10 s");
        drop(waited);
        counted.increment(1.0);
    });
    assert_eq!(slow.0.state.lock().unwrap().value, 4.0);
}
