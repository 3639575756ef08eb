//! What is recorded of the phases.

use std::time::Duration;

use campanile_lifecycle::Phase;
use metrics_util::CompositeKey;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::support::{lifecycle, within};

/// What the recorder has, by name and phase.
struct Seen(Vec<(CompositeKey, DebugValue)>);

impl Seen {
    fn of(snapshotter: &Snapshotter) -> Self {
        let all = snapshotter.snapshot().into_vec();
        Self(all.into_iter().map(|(key, _, _, value)| (key, value)).collect())
    }

    fn find(&self, name: &str, phase: Option<&str>) -> &DebugValue {
        let is = |key: &CompositeKey| {
            let mut labels = key.key().labels().map(|label| (label.key(), label.value()));
            key.key().name() == name && labels.next() == phase.map(|phase| ("phase", phase))
        };
        let found = self.0.iter().find(|(key, _)| is(key));
        &found.unwrap_or_else(|| panic!("no {name} {phase:?}")).1
    }

    fn gauge(&self, name: &str, phase: Option<&str>) -> f64 {
        match self.find(name, phase) {
            DebugValue::Gauge(value) => value.into_inner(),
            other => panic!("{name} is {other:?}"),
        }
    }

    /// The value of a counter; snapshots take it out.
    fn counter(&self, name: &str) -> u64 {
        match self.find(name, None) {
            DebugValue::Counter(value) => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn phases(&self) -> [f64; 4] {
        ["starting", "ready", "draining", "stopping"].map(|phase| self.gauge("lifecycle_phase", Some(phase)))
    }
}

#[tokio::test(start_paused = true)]
async fn one_phase_is_1_at_a_time_and_the_drain_is_timed() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    let snapshotter = recorder.snapshotter();
    let lifecycle = lifecycle().with_recorder(recorder);
    let handle = lifecycle.handle();
    let latch = lifecycle.latch("start");
    let running = tokio::spawn(lifecycle.run());
    tokio::task::yield_now().await;
    assert_eq!(Seen::of(&snapshotter).phases(), [1.0, 0.0, 0.0, 0.0]);
    latch.release();
    handle.ready().await;
    tokio::task::yield_now().await;
    let seen = Seen::of(&snapshotter);
    assert_eq!(seen.phases(), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(seen.gauge("lifecycle_drain_seconds", None), 0.0);

    let hold = handle.hold();
    handle.drain();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let seen = Seen::of(&snapshotter);
    assert_eq!(seen.phases(), [0.0, 0.0, 1.0, 0.0]);
    let drained = seen.gauge("lifecycle_drain_seconds", None);
    assert!((3.0..=3.5).contains(&drained), "{drained}");

    handle.draining_over().await;
    tokio::task::yield_now().await;
    assert_eq!(Seen::of(&snapshotter).phases(), [0.0, 0.0, 0.0, 1.0]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(hold);
    within("end", running).await.unwrap();
    let seen = Seen::of(&snapshotter);
    assert_eq!(handle.phase(), Phase::Stopped);
    assert_eq!(seen.phases(), [0.0; 4]);
    let drained = seen.gauge("lifecycle_drain_seconds", None);
    assert!((6.5..6.6).contains(&drained), "{drained}");
}

#[tokio::test(start_paused = true)]
async fn what_the_serving_side_counts_is_recorded_and_reported() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    let snapshotter = recorder.snapshotter();
    let lifecycle = lifecycle().with_recorder(recorder);
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    // Before the drain it is a request like any other.
    handle.count_served_request();
    handle.drain();
    handle.count_served_request();
    handle.count_served_request();
    let sweeping = handle.hold();
    handle.draining_over().await;
    handle.count_accepted_after_close();
    handle.count_cut_requests(3);
    drop(sweeping);
    let report = within("end", running).await.unwrap();
    let seen = Seen::of(&snapshotter);
    assert_eq!(seen.counter("lifecycle_drained_requests_total"), 2);
    assert_eq!(seen.counter("lifecycle_cut_requests_total"), 3);
    assert_eq!(seen.counter("lifecycle_accepted_after_close_total"), 1);
    assert_eq!((report.drained_requests(), report.cut_requests()), (2, 3));
    assert!(report.was_cut());
}
