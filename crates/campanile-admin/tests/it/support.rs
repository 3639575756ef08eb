//! Requests, responses, and an admin port on its own thread.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread::JoinHandle,
    time::Duration,
};

use campanile_admin::{Admin, Peer};
use http::{Request, Response, StatusCode, header::HOST, request::Builder};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tower::ServiceExt;

/// Longer than any response takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A response with its complete body.
#[derive(Debug)]
pub(crate) struct FullResponse {
    pub(crate) head: http::response::Parts,
    pub(crate) bytes: Vec<u8>,
}

impl FullResponse {
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.head
            .headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.bytes).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }
}

/// Starts a request from this machine.
pub(crate) fn local_request(method: &str, target: &str) -> Builder {
    request_from(Ipv4Addr::LOCALHOST, method, target)
}

/// Starts a request from this address.
pub(crate) fn request_from(ip: impl Into<IpAddr>, method: &str, target: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, "localhost:6060")
        .extension(Peer::from(ip.into()))
}

/// Sends a request without a body.
pub(crate) async fn send(admin: &Admin, request: Builder) -> FullResponse {
    send_with(admin, request, String::new()).await
}

pub(crate) async fn send_with(admin: &Admin, request: Builder, body: String) -> FullResponse {
    let response = admin
        .service()
        .oneshot(request.body(body).expect("valid request"))
        .await;
    read(response.expect("infallible")).await
}

pub(crate) async fn read(response: Response<campanile_admin::Body>) -> FullResponse {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.expect("complete body").to_bytes().into();
    FullResponse { head, bytes }
}

/// An admin port on a thread of its own.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Port {
    pub(crate) fn start(admin: Admin) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            admin.run_blocking(listener, async {
                let _ = stopped.await;
            })
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream
            .set_read_timeout(Some(TIMEOUT))
            .expect("timeout is not zero");
        stream
            .set_write_timeout(Some(TIMEOUT))
            .expect("timeout is not zero");
        stream
    }

    /// Sends bytes over a new connection and reads until it is closed.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may close the connection early.
        let _ = stream.write_all(bytes);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn get(&self, target: &str) -> String {
        self.exchange(get(target, "Connection: close\r\n").as_bytes())
    }

    /// Stops the port and waits for its thread.
    pub(crate) fn stop(mut self) -> std::io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> std::io::Result<()> {
        drop(self.stop.take());
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().expect("no panic"))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let ended = self.end();
        if !std::thread::panicking() {
            ended.expect("no error");
        }
    }
}

/// Returns the bytes of a GET request.
pub(crate) fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// Reads up to and including `end`.
pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&text).contains(end) {
        let length = stream.read(&mut buffer).expect("response in time");
        assert!(
            length > 0,
            "ended before {end:?}: {}",
            String::from_utf8_lossy(&text)
        );
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).expect("UTF-8")
}
