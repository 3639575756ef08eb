//! What clients do fills no log, and what they send forges no line of it. In a process of its own, which owns the cache of
//! tracing's callsites.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use campanile_server::Server;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixSocket};
use tokio::task::JoinHandle;

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

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

impl Log {
    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(with));
        lines.map(str::to_owned).collect()
    }

    async fn line(&self, with: &str) -> String {
        let found = async {
            loop {
                if let [line, ..] = &self.lines(with)[..] {
                    return line.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found)
            .await
            .expect(with)
    }
}

/// Echoes; at `/fail` a body whose error has two lines, at `/endless` one without an end.
async fn respond(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let chunk = || Ok(Frame::data(Bytes::from_static(b"chunk")));
    let body = match request.uri().path() {
        "/fail" => {
            let error = || Err("first\nsecond WARN forged".into());
            let frames = stream::unfold(0, move |n| async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                (n < 2).then(|| (if n == 0 { chunk() } else { error() }, n + 1))
            });
            StreamBody::new(frames).boxed_unsync()
        }
        "/endless" => {
            let frames = stream::unfold((), move |()| async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((chunk(), ()))
            });
            StreamBody::new(frames).boxed_unsync()
        }
        _ => request.into_body().map_err(Into::into).boxed_unsync(),
    };
    Ok(Response::new(body))
}

struct Running {
    address: SocketAddr,
    handle: LifecycleHandle,
    task: JoinHandle<Report>,
}

async fn start(unix: Option<&std::path::Path>) -> Running {
    let config = ShutdownConfig::new()
        .with_drain_time(Duration::ZERO)
        .with_stop_timeout(Duration::from_millis(300));
    let mut server = Server::new(tower::service_fn(respond)).bind("127.0.0.1:0");
    if let Some(path) = unix {
        server = server.bind(format!("unix:{}", path.display()));
    }
    let bound = server
        .lifecycle(Lifecycle::new(config).unwrap())
        .try_bind()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    let task = tokio::spawn(bound.run());
    handle.ready().await;
    Running {
        address,
        handle,
        task,
    }
}

impl Running {
    async fn connect(&self, send: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(send).await.unwrap();
        client
    }

    async fn exchange(&self, send: &[u8]) {
        let mut client = self.connect(send).await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    }

    async fn guards(&self, expected: usize) {
        while self.handle.in_flight() != expected {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn log_belongs_to_the_operator() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let directory = std::env::temp_dir().join(format!("campanile-log-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("server.sock");
    let running = start(Some(&path)).await;

    aborted_uploads_are_no_warnings(&running, &log).await;
    refused_requests_are_limited_and_the_rest_is_counted(&running, &log).await;
    name_of_a_unix_client_forges_no_line(&running, &directory, &path, &log).await;
    text_of_an_error_forges_no_line(&running, &log).await;
    cut_responses_are_logged_once_and_limited(running, &log).await;
    std::fs::remove_dir_all(&directory).unwrap();
}

async fn aborted_uploads_are_no_warnings(running: &Running, log: &Log) {
    for n in 0..100 {
        let framing = [
            "content-length: 100\r\n\r\nhalf",
            "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ][n % 2];
        let mut client = running
            .connect(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}").as_bytes())
            .await;
        // The response has begun.
        while client.read_u8().await.unwrap() != b'h' {}
        if n % 3 == 0 {
            socket2::SockRef::from(&client)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
        drop(client);
    }
    running.guards(2).await;
    assert_eq!(log.lines("WARN"), [""; 0]);
}

async fn refused_requests_are_limited_and_the_rest_is_counted(running: &Running, log: &Log) {
    for _ in 0..100 {
        running.exchange(b"GET / HTTP/1.1\r\n\r\n").await;
    }
    let lines = log.lines(" request refused ");
    assert_eq!(lines.len(), 10, "{lines:?}");
    assert!(
        lines[0].contains("INFO") && lines[0].contains("reason=\"host\""),
        "{}",
        lines[0]
    );
    let rest = log
        .line("90 more like this were not logged: request refused")
        .await;
    assert!(rest.contains("INFO"), "{rest}");
}

async fn name_of_a_unix_client_forges_no_line(
    running: &Running,
    directory: &std::path::Path,
    server: &std::path::Path,
    log: &Log,
) {
    let name = directory.join("x\n2026-01-01T00:00:00Z ERROR forged \u{1b}[31m");
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&name).unwrap();
    let mut client = socket.connect(server).await.unwrap();
    client.write_all(b"BAD\n\r\n").await.unwrap();
    let _ = client.read_to_end(&mut Vec::new()).await;
    drop(client);
    running.guards(2).await;
    let line = log.line("forged").await;
    assert!(line.contains("request refused"), "{line}");
    assert!(
        line.contains("x\\n2026-01-01T00:00:00Z ERROR forged \\u{1b}[31m"),
        "{line}"
    );
    assert_eq!(log.lines("forged").len(), 1);
}

async fn text_of_an_error_forges_no_line(running: &Running, log: &Log) {
    for _ in 0..30 {
        running.exchange(b"GET /fail HTTP/1.1\r\nhost: a\r\n\r\n").await;
    }
    let lines = log.lines("ended by an error of the service");
    assert_eq!(lines.len(), 10, "{lines:?}");
    let line = &lines[0];
    assert!(
        line.contains("WARN") && line.contains("first\\nsecond WARN forged"),
        "{line}"
    );
}

async fn cut_responses_are_logged_once_and_limited(running: Running, log: &Log) {
    let mut clients = Vec::new();
    for _ in 0..70 {
        let mut client = running.connect(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
        client.read_u8().await.unwrap();
        clients.push(client);
    }
    let before = log.lines("WARN").len();
    running.handle.drain();
    let report = running.task.await.unwrap();
    assert_eq!(report.cut_requests(), 70);
    assert_eq!(
        log.lines(" connection cut at the stop timeout listener").len(),
        50
    );
    assert_eq!(
        log.lines("20 more like this were not logged: connection cut at the stop timeout")
            .len(),
        1
    );
    let warnings = log.lines("WARN").len() - before;
    // One of the lifecycle, and one that counts.
    assert!(warnings <= 52, "{warnings}: {:?}", log.lines("WARN").last());
}
