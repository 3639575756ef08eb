//! The metrics of the lifecycle.

use std::collections::BTreeSet;
use std::time::Duration;

use campanile_lifecycle::{METRICS, Phase};
use metrics_util::CompositeKey;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::support::{lifecycle, within};

/// A snapshot of the recorder.
struct Recorded(Vec<(CompositeKey, DebugValue)>);

impl Recorded {
    fn by(snapshotter: &Snapshotter) -> Self {
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

    /// The increase of a counter since the last snapshot.
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
    assert_eq!(Recorded::by(&snapshotter).phases(), [1.0, 0.0, 0.0, 0.0]);
    latch.release();
    handle.ready().await;
    tokio::task::yield_now().await;
    let recorded = Recorded::by(&snapshotter);
    assert_eq!(recorded.phases(), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(recorded.gauge("lifecycle_drain_seconds", None), 0.0);

    let guard = handle.guard();
    handle.drain();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let recorded = Recorded::by(&snapshotter);
    assert_eq!(recorded.phases(), [0.0, 0.0, 1.0, 0.0]);
    let drained = recorded.gauge("lifecycle_drain_seconds", None);
    assert!((3.0..=3.5).contains(&drained), "{drained}");

    handle.drain_elapsed().await;
    tokio::task::yield_now().await;
    assert_eq!(Recorded::by(&snapshotter).phases(), [0.0, 0.0, 0.0, 1.0]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(guard);
    within("end", running).await.unwrap();
    let recorded = Recorded::by(&snapshotter);
    assert_eq!(handle.phase(), Phase::Stopped);
    assert_eq!(recorded.phases(), [0.0; 4]);
    let drained = recorded.gauge("lifecycle_drain_seconds", None);
    assert!((6.5..6.6).contains(&drained), "{drained}");
}

#[tokio::test(start_paused = true)]
async fn counted_requests_and_connections_are_recorded_and_reported() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    let snapshotter = recorder.snapshotter();
    let lifecycle = lifecycle().with_recorder(recorder);
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    // Before the drain, no drained request.
    handle.count_served_request();
    handle.drain();
    handle.count_served_request();
    handle.count_served_request();
    let guard = handle.guard();
    handle.drain_elapsed().await;
    handle.count_accepted_after_close();
    handle.count_cut_requests(3);
    drop(guard);
    let report = within("end", running).await.unwrap();
    let recorded = Recorded::by(&snapshotter);
    assert_eq!(recorded.counter("lifecycle_drained_requests_total"), 2);
    assert_eq!(recorded.counter("lifecycle_cut_requests_total"), 3);
    assert_eq!(recorded.counter("lifecycle_accepted_after_close_total"), 1);
    assert_eq!((report.drained_requests(), report.cut_requests()), (2, 3));
    assert!(report.was_cut());
}

#[tokio::test(start_paused = true)]
async fn all_recorded_metrics_are_listed() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    let lifecycle = lifecycle().with_recorder(recorder);
    let handle = lifecycle.handle();
    handle.add_check(
        "database",
        Duration::from_secs(1),
        || -> std::future::Ready<Result<(), &str>> { panic!("expected by the test") },
    );
    handle.readiness().await;
    handle.drain();
    within("end", lifecycle.run()).await;
    let recorded: BTreeSet<String> = recorder
        .snapshotter()
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, ..)| key.key().name().to_owned())
        .collect();
    let listed = METRICS.iter().map(|metric| metric.name().to_owned());
    assert_eq!(recorded, listed.collect());
}
