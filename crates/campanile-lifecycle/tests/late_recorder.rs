//! A recorder installed after the service is ready. In a process of its own, since it installs a global recorder.

use std::time::Duration;

use campanile_lifecycle::{Lifecycle, ShutdownConfig};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

#[tokio::test(start_paused = true)]
async fn late_recorder_receives_the_phase() {
    let lifecycle = Lifecycle::new(ShutdownConfig::new()).unwrap();
    let handle = lifecycle.handle();
    tokio::spawn(lifecycle.run());
    handle.ready().await;
    handle.count_accepted_after_close();

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    handle.count_accepted_after_close();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut seen: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels = key.key().labels().map(|label| label.value());
            let name: Vec<_> = std::iter::once(key.key().name()).chain(labels).collect();
            let value = match value {
                DebugValue::Gauge(value) => value.into_inner() as u64,
                DebugValue::Counter(value) => value,
                DebugValue::Histogram(_) => panic!("there are no histograms"),
            };
            (name.join(" "), value)
        })
        .collect();
    seen.sort_unstable();
    let expected = [
        ("lifecycle_accepted_after_close_total", 1),
        ("lifecycle_cut_requests_total", 0),
        ("lifecycle_drain_seconds", 0),
        ("lifecycle_drained_requests_total", 0),
        ("lifecycle_phase draining", 0),
        ("lifecycle_phase ready", 1),
        ("lifecycle_phase starting", 0),
        ("lifecycle_phase stopping", 0),
    ];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
}
