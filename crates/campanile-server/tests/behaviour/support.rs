//! Helpers of the tests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use campanile_server::{BoundServer, Server};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt};

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: LifecycleHandle,
    task: JoinHandle<Report>,
}

/// A drain time and a stop timeout, in milliseconds.
pub(crate) fn times(drain_time: u64, stop_timeout: u64) -> ShutdownConfig {
    ShutdownConfig::new()
        .with_drain_time(Duration::from_millis(drain_time))
        .with_stop_timeout(Duration::from_millis(stop_timeout))
}

/// A lifecycle without signal handlers, since a signal would reach all tests of the process.
pub(crate) fn lifecycle(config: ShutdownConfig) -> Lifecycle {
    Lifecycle::new(config).unwrap()
}

/// Serves on a free port.
pub(crate) async fn start<S, B>(config: ShutdownConfig, server: Server<S>) -> Running
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
        .lifecycle(lifecycle(config))
        .try_bind()
        .unwrap();
    run(bound).await
}

/// Runs a bound server, whose first listener is TCP.
pub(crate) async fn run<S, B>(bound: BoundServer<S>) -> Running
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

    /// Connects a client and completes one request.
    pub(crate) async fn kept_alive(&self) -> Client<TcpStream> {
        let mut client = self.client().await;
        client.get("/").await;
        assert_eq!(client.response().await.status, 200);
        client
    }

    /// Waits until this many guards are held: one for each listener and connection.
    pub(crate) async fn in_flight(&self, expected: usize) {
        let reached = async {
            while self.handle.in_flight() != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(&format!("{expected} guards"), reached).await;
    }

    /// Waits for the end of the shutdown.
    pub(crate) async fn stopped(self) -> Report {
        within("end of the shutdown", self.task).await.unwrap()
    }
}

/// Waits for at most 30 seconds.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let timeout = Duration::from_secs(30);
    match tokio::time::timeout(timeout, future).await {
        Ok(output) => output,
        Err(_) => panic!("no {what} within {timeout:?}"),
    }
}

/// A boxed service.
pub(crate) type Simple = BoxCloneService<Request<Incoming>, Response<Full<Bytes>>, Infallible>;

/// Responds `ok`, to `/sleep/N` after N milliseconds.
pub(crate) fn simple() -> Simple {
    tower::service_fn(async |request: Request<Incoming>| {
        if let Some(time) = request.uri().path().strip_prefix("/sleep/") {
            tokio::time::sleep(Duration::from_millis(time.parse().unwrap())).await;
        }
        Ok(Response::new(Full::from("ok")))
    })
    .boxed_clone()
}

/// An HTTP/1 client that sends and reads raw bytes.
pub(crate) struct Client<T> {
    pub(crate) io: T,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawResponse {
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

    /// Reads through the end of a text.
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
                    "closed before {text:?}: {:?}",
                    String::from_utf8_lossy(&self.unread)
                );
            }
        };
        within(text, reading).await
    }

    /// Reads a response with a content length.
    pub(crate) async fn response(&mut self) -> RawResponse {
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
        RawResponse { status, head, body }
    }

    /// Reads to the end of the connection, which must not be reset.
    pub(crate) async fn rest(&mut self) -> String {
        match within("the end", self.io.read_to_end(&mut self.unread)).await {
            Ok(_) => String::from_utf8(std::mem::take(&mut self.unread)).unwrap(),
            Err(error) => panic!("reset: {error}"),
        }
    }
}

/// Measures the duration of a future.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let output = future.await;
    (output, began.elapsed())
}

/// Milliseconds.
pub(crate) fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}
