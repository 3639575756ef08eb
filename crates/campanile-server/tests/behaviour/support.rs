//! What the tests share.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use campanile_server::{Bound, Server};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt};

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: LifecycleHandle,
    task: JoinHandle<Report>,
}

/// Times for a stop: first the drain time, then the stop timeout, in milliseconds.
pub(crate) fn times(drain_time: u64, stop_timeout: u64) -> ShutdownConfig {
    ShutdownConfig::new()
        .with_drain_time(Duration::from_millis(drain_time))
        .with_stop_timeout(Duration::from_millis(stop_timeout))
}

/// A lifecycle that catches no signals: the tests of one process would all get them.
pub(crate) fn lifecycle(settings: ShutdownConfig) -> Lifecycle {
    Lifecycle::new(settings).unwrap()
}

/// Serves on a free port.
pub(crate) async fn start<S, B>(settings: ShutdownConfig, server: Server<S>) -> Running
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let bound = server
        .bind("127.0.0.1:0")
        .lifecycle(lifecycle(settings))
        .bound()
        .unwrap();
    run(bound).await
}

/// Runs what is bound, with an address of TCP first.
pub(crate) async fn run<S, B>(bound: Bound<S>) -> Running
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let address = bound
        .addresses()
        .next()
        .and_then(|address| address.tcp())
        .unwrap();
    let handle = bound.handle();
    let task = tokio::spawn(bound.run());
    within("readiness", handle.ready()).await;
    Running {
        address,
        handle,
        task,
    }
}

impl Running {
    pub(crate) async fn client(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client whose connection the server has: it was answered once.
    pub(crate) async fn kept_alive(&self) -> Client<TcpStream> {
        let mut client = self.client().await;
        client.get("/").await;
        assert_eq!(client.answer().await.status, 200);
        client
    }

    /// Waits until so many guards are held: one for each listener and connection.
    pub(crate) async fn in_flight(&self, wanted: usize) {
        let reached = async {
            while self.handle.in_flight() != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(&format!("{wanted} guards"), reached).await;
    }

    /// Waits for the end.
    pub(crate) async fn stopped(self) -> Report {
        within("end of the stop", self.task).await.unwrap()
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(30);
    match tokio::time::timeout(patience, future).await {
        Ok(output) => output,
        Err(_) => panic!("no {what} within {patience:?}"),
    }
}

/// A service of a function.
pub(crate) type Simple = BoxCloneService<Request<Incoming>, Response<Full<Bytes>>, Infallible>;

/// Answers `ok`, `/sleep/N` after N milliseconds.
pub(crate) fn simple() -> Simple {
    tower::service_fn(async |request: Request<Incoming>| {
        if let Some(time) = request.uri().path().strip_prefix("/sleep/") {
            tokio::time::sleep(Duration::from_millis(time.parse().unwrap())).await;
        }
        Ok(Response::new(Full::from("ok")))
    })
    .boxed_clone()
}

/// A client of HTTP/1 that sees each byte.
pub(crate) struct Client<T> {
    pub(crate) io: T,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn closes(&self) -> bool {
        self.head.to_lowercase().contains("\r\nconnection: close\r\n")
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            unread: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
    }

    /// Reads up to and with a text.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let reading = async {
            loop {
                let found = self
                    .unread
                    .windows(text.len())
                    .position(|window| window == text.as_bytes());
                if let Some(at) = found {
                    let taken = self.unread.drain(..at + text.len()).collect();
                    return String::from_utf8(taken).unwrap();
                }
                let read = self.io.read_buf(&mut self.unread).await.unwrap();
                assert!(
                    read > 0,
                    "it ended before {text:?}: {:?}",
                    String::from_utf8_lossy(&self.unread)
                );
            }
        };
        within(text, reading).await
    }

    /// Reads an answer that has a content length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await;
        let status = head[9..12].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            let read = within("a body", self.io.read_buf(&mut self.unread))
                .await
                .unwrap();
            assert!(read > 0, "the body ended early");
        }
        let body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        Answer { status, head, body }
    }

    /// Reads to the end, which must be a clean one.
    pub(crate) async fn rest(&mut self) -> String {
        match within("the end", self.io.read_to_end(&mut self.unread)).await {
            Ok(_) => String::from_utf8(std::mem::take(&mut self.unread)).unwrap(),
            Err(error) => panic!("not a clean end: {error}"),
        }
    }
}

/// Takes the time.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let output = future.await;
    (output, began.elapsed())
}

/// Milliseconds.
pub(crate) fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}
