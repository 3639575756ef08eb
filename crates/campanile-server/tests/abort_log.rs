//! Cut requests are logged one by one if the table of requests in flight has them, otherwise their connections are. In a
//! process of its own, which owns that table and the cache of tracing's callsites.
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

fn config() -> ShutdownConfig {
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

async fn shut_down(handle: &LifecycleHandle, running: JoinHandle<Report>) -> Report {
    handle.drain();
    tokio::time::timeout(Duration::from_secs(30), running)
        .await
        .expect("the stop timeout bounds the shutdown")
        .unwrap()
}

#[tokio::test]
async fn cut_requests_and_connections_are_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    logs_at_most_fifty_connections_by_peer(&log).await;
    logs_requests_by_id_route_and_age(&log).await;
}

async fn logs_at_most_fifty_connections_by_peer(log: &Log) {
    let app = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let bound = Server::new(app)
        .bind("127.0.0.1:0")
        .lifecycle(Lifecycle::new(config()).unwrap())
        .try_bind()
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
    let report = shut_down(&handle, running).await;
    assert_eq!(report.cut_requests(), 60);
    let lines = log.lines(" connection cut at the stop timeout listener");
    assert_eq!(lines.len(), 50, "not bounded");
    assert_eq!(
        log.lines("10 more like this were not logged: connection cut")
            .len(),
        1
    );
    let peers = clients.iter().map(|client| client.local_addr().unwrap());
    let logged = peers.filter(|peer| lines.iter().any(|line| line.contains(&format!("peer={peer} "))));
    assert_eq!(logged.count(), 50);
    let line = &lines[0];
    assert!(
        line.contains("requests=1 upgraded=false age_seconds=0."),
        "{line}"
    );
    assert!(line.contains(&format!("listener=\"{address}\"")), "{line}");
}

async fn logs_requests_by_id_route_and_age(log: &Log) {
    let app = Router::new()
        .route("/never/{id}", get(async || std::future::pending::<()>().await))
        .route("/ok", get(async || "ok"))
        .layer(campanile_inbound::stack());
    let bound = Server::new(app)
        .bind("127.0.0.1:0")
        .lifecycle(Lifecycle::new(config()).unwrap())
        .try_bind()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    let running = tokio::spawn(bound.run());
    handle.ready().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /ok HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-request-id: first\r\n\r\n")
        .await
        .unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(
        response.contains("\r\nx-request-id: first\r\n") && response.contains("\r\ndate: "),
        "{response}"
    );

    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /never/7 HTTP/1.1\r\nhost: a\r\nx-request-id: the-one\r\n\r\n")
        .await
        .unwrap();
    while campanile_core::in_flight::snapshot().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let stopping = tokio::spawn(async move { shut_down(&handle, running).await });
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    let report = stopping.await.unwrap();
    assert_eq!(report.cut_requests(), 1);
    let lines = log.lines("request cut at the stop timeout");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(
        line.contains(
            "request cut at the stop timeout request_id=\"the-one\" route=\"/never/{id}\" age_seconds="
        ),
        "{line}"
    );
    assert_eq!(
        log.lines(" connection cut at the stop timeout listener").len(),
        50,
        "a connection whose request is logged"
    );
}
