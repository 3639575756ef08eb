//! Each connection says how it ended.

use std::collections::BTreeMap;

use campanile_serve::Server;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{ms, simple, start, times};

#[tokio::test]
async fn connections_say_how_they_ended() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let server = Server::new(simple())
        .recorder(recorder)
        .header_read_timeout(ms(200));
    let running = start(times(0, 1_500), server).await;
    // Done, by the client.
    drop(running.kept_alive().await);
    // Failed, by its head.
    let mut slow = running.client().await;
    slow.send("GET").await;
    running.in_flight(2).await;
    running.in_flight(1).await;
    // Drained: idle, never used, and answered in the drain.
    let (_idle, _opener) = (running.kept_alive().await, running.client().await);
    let mut answered = running.client().await;
    answered.get("/sleep/300").await;
    let mut cut = running.client().await;
    cut.get("/sleep/60000").await;
    running.in_flight(5).await;
    running.handle.drain();
    running.stopped().await;
    // The last ends with its farewell.
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
