//! What a stop tells: the log names what is cut, and each connection says how it ended.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use campanile_serve::Server;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{ms, simple, start, times};

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Writes down what this thread logs.
    fn keep() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .filter(|line| line.contains(with))
            .map(str::to_owned)
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_connection_whose_requests_have_no_row_is_named_itself() {
    let (log, _guard) = Log::keep();
    let running = start(times(0, 100), Server::new(simple())).await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = running.client().await;
        client.get("/sleep/60000").await;
        clients.push(client);
    }
    running.in_flight(61).await;
    let peer = clients[0].io.local_addr().unwrap();
    running.handle.drain();
    assert_eq!(running.stopped().await.cut_requests(), 60);
    let lines = log.lines(" connection is cut");
    assert_eq!(lines.len(), 50, "bounded");
    assert_eq!(log.lines("and more connections are cut").len(), 1);
    let line = lines
        .iter()
        .find(|line| line.contains(&format!("peer={peer}")))
        .unwrap();
    assert!(
        line.contains("requests=1 upgraded=false age_seconds=0."),
        "{line}"
    );
    assert!(line.contains("listener=\"127.0.0.1:"), "{line}");
}

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
