//! Metrics of connections and accept queues.

use std::collections::BTreeMap;

use campanile_server::Server;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{ms, simple, start, times};

#[tokio::test]
async fn connections_are_counted_by_close_reason() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let server = Server::new(simple())
        .recorder(recorder)
        .header_read_timeout(ms(200));
    let running = start(times(0, 1_500), server).await;
    // Done: closed by the client.
    drop(running.kept_alive().await);
    // Error: incomplete head.
    let mut slow = running.client().await;
    slow.send("GET").await;
    running.in_flight(2).await;
    running.in_flight(1).await;
    // Drained: idle, never used, and served in the drain.
    let (_idle, _opener) = (running.kept_alive().await, running.client().await);
    let mut served = running.client().await;
    served.get("/sleep/300").await;
    let mut cut = running.client().await;
    cut.get("/sleep/60000").await;
    running.in_flight(5).await;
    running.handle.drain();
    running.stopped().await;
    // Counted after its linger time.
    cut.rest().await;
    drop(cut);
    tokio::time::sleep(ms(150)).await;

    let ended: BTreeMap<String, u64> = recorder
        .snapshotter()
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "http_server_connections_total")
        .filter_map(|(key, _, _, value)| {
            let close = key
                .key()
                .labels()
                .find(|label| label.key() == "close")?
                .value()
                .to_owned();
            match value {
                DebugValue::Counter(count) => Some((close, count)),
                _ => None,
            }
        })
        .collect();
    let expected = [("cut", 1), ("done", 1), ("drained", 3), ("error", 1)];
    assert_eq!(
        ended,
        expected.map(|(close, count)| (close.to_owned(), count)).into()
    );
}

/// Returns the names of the recorded accept-queue metrics, and the number of observed waits.
fn queue_metrics(recorder: &DebuggingRecorder) -> (Vec<String>, usize) {
    let series = recorder.snapshotter().snapshot().into_vec();
    let mut waits = 0;
    let names = series.into_iter().filter_map(|(key, _, _, value)| {
        if let DebugValue::Histogram(observed) = &value
            && key.key().name() == "listener_backlog_wait_seconds"
        {
            waits += observed.len();
        }
        let name = key.key().name().to_owned();
        name.starts_with("listener_backlog_").then_some(name)
    });
    (names.collect(), waits)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn accept_queues_are_sampled_and_queue_waits_are_recorded() {
    let leak = || -> &'static DebuggingRecorder { Box::leak(Box::new(DebuggingRecorder::new())) };
    let (sampled, disabled) = (leak(), leak());
    let both = [
        Server::new(simple()).recorder(sampled),
        Server::new(simple())
            .recorder(disabled)
            .backlog_interval(None)
            .queue_wait(false),
    ];
    for server in both {
        let running = start(times(0, 500), server).await;
        for _ in 0..3 {
            drop(running.kept_alive().await);
        }
        running.handle.drain();
        running.stopped().await;
    }
    let (names, waits) = queue_metrics(sampled);
    for name in ["pending", "limit", "overflows_total", "wait_seconds"] {
        assert!(
            names.contains(&format!("listener_backlog_{name}")),
            "{name}: {names:?}"
        );
    }
    assert_eq!(waits, 3);
    assert_eq!(queue_metrics(disabled), (Vec::new(), 0));
}
