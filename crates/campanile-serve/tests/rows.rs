//! Requests that a layer keeps a row of are named one by one at the cut. Alone in its process: the table of requests in
//! flight is the process's.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Router, routing::get};
use campanile_lifecycle::{Lifecycle, Settings};
use campanile_serve::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

#[tokio::test]
async fn requests_are_named_by_id_route_and_age() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = Router::new()
        .route("/never/{id}", get(async || std::future::pending::<()>().await))
        .route("/ok", get(async || "ok"))
        .layer(campanile_server::stack());
    let settings = Settings::new()
        .with_drain_time(Duration::ZERO)
        .with_stop_timeout(Duration::from_millis(200));
    let bound = Server::new(app)
        .bind("127.0.0.1:0")
        .lifecycle(Lifecycle::new(settings).unwrap())
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
    while campanile_http::in_flight::snapshot().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    handle.drain();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let report = running.await.unwrap();
    assert_eq!(report.cut_requests(), 1);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" is cut")).collect();
    let [line] = lines[..] else { panic!("{log}") };
    assert!(
        line.contains("request is cut request_id=\"the-one\" route=\"/never/{id}\" age_seconds="),
        "{line}"
    );
}
