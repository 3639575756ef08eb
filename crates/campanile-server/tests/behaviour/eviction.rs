//! The connection limit: silent clients give way, busy ones do not.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, Simple, ms, simple, start, times, within};

fn server(limit: usize, recorder: &'static DebuggingRecorder) -> Server<Simple> {
    Server::new(simple())
        .max_connections(limit)
        .eviction(true)
        .recorder(recorder)
}

fn recorder() -> &'static DebuggingRecorder {
    Box::leak(Box::new(DebuggingRecorder::new()))
}

fn counter(recorder: &DebuggingRecorder, name: &str, label: &str) -> u64 {
    let metrics = recorder.snapshotter().snapshot().into_vec();
    let found = metrics.into_iter().find(|(key, ..)| {
        key.key().name() == name && key.key().labels().any(|l| l.value() == label || label.is_empty())
    });
    match found {
        Some((.., DebugValue::Counter(count))) => count,
        _ => 0,
    }
}

/// Waits for the end of a connection that must end without a byte.
async fn ended(client: &mut TcpStream) {
    let read = within("the end", client.read(&mut [0; 16])).await;
    assert_eq!(read.unwrap(), 0);
}

#[tokio::test]
async fn longest_silent_client_gives_way_at_the_limit() {
    let recorder = recorder();
    let running = start(times(0, 500), server(3, recorder)).await;
    let mut fresh = TcpStream::connect(running.address).await.unwrap();
    running.in_flight(2).await;
    let mut idle = running.kept_alive().await;
    let mut partial = running.client().await;
    partial.send("GET / HT").await;
    running.in_flight(4).await;
    // All have been silent for less than a second: the next client waits.
    let mut next = running.kept_alive().await;
    ended(&mut fresh).await;
    next.get("/sleep/3000").await;
    let mut another = running.kept_alive().await;
    ended(&mut idle.io).await;
    another.get("/sleep/3000").await;
    let mut last = running.kept_alive().await;
    ended(&mut partial.io).await;
    assert_eq!(next.response().await.status, 200);
    assert_eq!(another.response().await.status, 200);
    last.get("/").await;
    assert_eq!(last.response().await.status, 200);
    assert_eq!(counter(recorder, "http_server_evicted_connections_total", ""), 3);
}

#[tokio::test]
async fn without_the_option_silent_clients_stay() {
    let running = start(times(0, 500), Server::new(simple()).max_connections(1)).await;
    let mut silent = running.kept_alive().await;
    let mut waiting = running.client().await;
    waiting.get("/").await;
    let kept_out = tokio::time::timeout(ms(1_500), waiting.io.read_u8()).await;
    assert!(kept_out.is_err(), "accepted above the limit");
    silent.get("/").await;
    assert_eq!(silent.response().await.status, 200);
}

#[tokio::test]
async fn requests_in_progress_never_give_way() {
    let recorder = recorder();
    let running = start(times(0, 500), server(2, recorder)).await;
    let mut busy = running.client().await;
    busy.get("/sleep/2500").await;
    let mut uploading = running.client().await;
    uploading
        .send("POST /sleep/2500 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab")
        .await;
    running.in_flight(3).await;
    let mut waiting = running.client().await;
    waiting.get("/").await;
    assert_eq!(busy.response().await.status, 200);
    assert_eq!(counter(recorder, "http_server_evicted_connections_total", ""), 0);
    assert_eq!(uploading.response().await.status, 200);
    assert_eq!(waiting.response().await.status, 200);
}

#[tokio::test]
async fn upgraded_connections_never_give_way() {
    let upgrade = tower::service_fn(async |mut request: Request<Incoming>| {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgraded.await.unwrap());
            let byte = io.read_u8().await.unwrap();
            io.write_u8(byte).await.unwrap();
        });
        let response = Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "x");
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    });
    let server = Server::new(upgrade).max_connections(1).eviction(true);
    let running = start(times(0, 500), server).await;
    let mut upgraded = running.client().await;
    upgraded
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
        .await;
    upgraded.until("\r\n\r\n").await;
    let _waiting = running.client().await;
    tokio::time::sleep(ms(1_500)).await;
    upgraded.send("!").await;
    upgraded.until("!").await;
}

/// The request and the next client arrive while the runtime stands still, so that only the kernel knows of both.
#[tokio::test]
async fn unread_bytes_in_the_kernel_keep_a_connection() {
    let recorder = recorder();
    let running = start(times(0, 500), server(1, recorder)).await;
    let mut next = std::net::TcpStream::connect(running.address).unwrap();
    for round in 0..4 {
        let mut idle = next;
        idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        idle.set_nonblocking(true).unwrap();
        let mut idle = Client::new(TcpStream::from_std(idle).unwrap());
        assert_eq!(idle.response().await.status, 200, "round {round}");
        tokio::time::sleep(ms(1_050)).await;
        let mut idle = idle.io.into_std().unwrap();
        next = std::net::TcpStream::connect(running.address).unwrap();
        idle.write_all(b"GET /sleep/30 HTTP/1.1\r\nhost: a\r\n\r\n")
            .unwrap();
        let mut idle = Client::new(TcpStream::from_std(idle).unwrap());
        assert_eq!(idle.response().await.status, 200, "round {round}");
        // It then gives way.
        assert_eq!(idle.rest().await, "");
    }
    next.set_nonblocking(false).unwrap();
    drop(next);
}

#[tokio::test]
async fn idle_http2_client_gives_way() {
    let recorder = recorder();
    let running = start(times(0, 500), server(1, recorder)).await;
    let io = TcpStream::connect(running.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a/").body(()).unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
    running.kept_alive().await;
    let _ = within("the end", connection).await.unwrap();
}

#[tokio::test]
async fn thousands_of_connections_at_the_limit_leak_nothing() {
    let recorder = recorder();
    let running = start(times(0, 500), server(8, recorder)).await;
    let address = running.address;
    let clients = tokio::task::spawn_blocking(move || {
        for n in 0..3_000 {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            if n % 100 == 0 {
                client
                    .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                    .unwrap();
                let mut response = String::new();
                client.read_to_string(&mut response).unwrap();
                assert!(response.contains("200 OK"), "{response}");
            }
        }
    });
    within("all clients", clients).await.unwrap();
    running.in_flight(1).await;
    let mut last = running.kept_alive().await;
    last.get("/").await;
    assert_eq!(last.response().await.status, 200);
}

/// The kernel's table shows which timer is active: 2 is the keepalive timer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn keepalive_is_set_by_default() {
    let timer = async |server: Server<Simple>| {
        let running = start(times(0, 500), server).await;
        let client = running.kept_alive().await;
        let (server, peer) = (running.address.port(), client.io.local_addr().unwrap().port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let line = sockets.lines().find(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            columns[1].ends_with(&format!(":{server:04X}")) && columns[2].ends_with(&format!(":{peer:04X}"))
        });
        line.unwrap().split_whitespace().nth(5).unwrap().to_owned()
    };
    let by_default = timer(Server::new(simple())).await;
    let (kind, jiffies) = by_default.split_once(':').unwrap();
    assert_eq!(kind, "02");
    let seconds = u64::from_str_radix(jiffies, 16).unwrap() / 100;
    assert!((50..=60).contains(&seconds), "{seconds}");
    assert!(
        timer(Server::new(simple()).keepalive(None))
            .await
            .starts_with("00:")
    );
}
