//! What is cut is named in the log: requests that a layer keeps a row of one by one, else their connections. One test, alone
//! in its process: the table of requests in flight is the process's, and so is what tracing knows of its callsites.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Router, routing::get};
use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use campanile_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings() -> ShutdownConfig {
    ShutdownConfig::new()
        .with_drain_time(Duration::ZERO)
        .with_stop_timeout(Duration::from_millis(300))
}

impl Log {
    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(with));
        lines.map(str::to_owned).collect()
    }
}

async fn stop(handle: &LifecycleHandle, running: JoinHandle<Report>) -> Report {
    handle.drain();
    tokio::time::timeout(Duration::from_secs(30), running)
        .await
        .expect("the stop timeout bounds the stop")
        .unwrap()
}

#[tokio::test]
async fn what_is_cut_is_named() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    connections_by_peer_at_most_fifty(&log).await;
    requests_by_id_route_and_age(&log).await;
}

async fn connections_by_peer_at_most_fifty(log: &Log) {
    let app = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let bound = Server::new(app)
        .bind("127.0.0.1:0")
        .lifecycle(Lifecycle::new(settings()).unwrap())
        .bound()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    let running = tokio::spawn(bound.run());
    handle.ready().await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        clients.push(client);
    }
    let report = stop(&handle, running).await;
    assert_eq!(report.cut_requests(), 60);
    let lines = log.lines(" connection is cut");
    assert_eq!(lines.len(), 50, "bounded");
    assert_eq!(log.lines("and more connections are cut").len(), 1);
    let peers = clients.iter().map(|client| client.local_addr().unwrap());
    let named = peers.filter(|peer| lines.iter().any(|line| line.contains(&format!("peer={peer} "))));
    assert_eq!(named.count(), 50);
    let line = &lines[0];
    assert!(
        line.contains("requests=1 upgraded=false age_seconds=0."),
        "{line}"
    );
    assert!(line.contains(&format!("listener=\"{address}\"")), "{line}");
}

async fn requests_by_id_route_and_age(log: &Log) {
    let app = Router::new()
        .route("/never/{id}", get(async || std::future::pending::<()>().await))
        .route("/ok", get(async || "ok"))
        .layer(campanile_inbound::stack());
    let bound = Server::new(app)
        .bind("127.0.0.1:0")
        .lifecycle(Lifecycle::new(settings()).unwrap())
        .bound()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    let running = tokio::spawn(bound.run());
    handle.ready().await;
    // The layers stand around the service, as anywhere.
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /ok HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-request-id: first\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("\r\nx-request-id: first\r\n") && answer.contains("\r\ndate: "),
        "{answer}"
    );

    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /never/7 HTTP/1.1\r\nhost: a\r\nx-request-id: the-one\r\n\r\n")
        .await
        .unwrap();
    while campanile_core::in_flight::snapshot().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let stopping = tokio::spawn(async move { stop(&handle, running).await });
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let report = stopping.await.unwrap();
    assert_eq!(report.cut_requests(), 1);
    let lines = log.lines("request is cut");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(
        line.contains("request is cut request_id=\"the-one\" route=\"/never/{id}\" age_seconds="),
        "{line}"
    );
    assert_eq!(
        log.lines(" connection is cut").len(),
        50,
        "none for what is named already"
    );
}
