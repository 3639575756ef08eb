//! Requests, answers, and a port of one's own.

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

/// No answer takes as long: what comes later has hung.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: http::response::Parts,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.head
            .headers
            .get(name)
            .map_or("", |value| value.to_str().expect("it works"))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.bytes).expect("it works")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).expect("it works")
    }
}

/// Begins a request from this machine.
pub(crate) fn ask(method: &str, target: &str) -> Builder {
    from(Ipv4Addr::LOCALHOST, method, target)
}

/// Begins a request from an address.
pub(crate) fn from(ip: impl Into<IpAddr>, method: &str, target: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, "localhost:6060")
        .extension(Peer::from(ip.into()))
}

/// Sends a request without a body, and reads the answer to its end.
pub(crate) async fn send(admin: &Admin, request: Builder) -> Answer {
    send_with(admin, request, String::new()).await
}

pub(crate) async fn send_with(admin: &Admin, request: Builder, body: String) -> Answer {
    let response = admin
        .service()
        .oneshot(request.body(body).expect("it works"))
        .await;
    read(response.expect("it works")).await
}

pub(crate) async fn read(response: Response<campanile_admin::Body>) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.expect("it works").to_bytes().into();
    Answer { head, bytes }
}

/// An admin port on a thread of its own.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Port {
    pub(crate) fn start(admin: Admin) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("it works");
        let address = listener.local_addr().expect("it works");
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
        let stream = TcpStream::connect(self.address).expect("it works");
        stream.set_read_timeout(Some(LONG)).expect("it works");
        stream.set_write_timeout(Some(LONG)).expect("it works");
        stream
    }

    /// Sends bytes over a connection of their own, and reads until its end.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // Who refuses early closes before all is written.
        let _ = stream.write_all(bytes);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn get(&self, target: &str) -> String {
        self.exchange(get(target, "Connection: close\r\n").as_bytes())
    }

    /// Stops it, and waits for its end.
    pub(crate) fn stop(mut self) -> std::io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> std::io::Result<()> {
        drop(self.stop.take());
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().expect("it does not panic"))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let ended = self.end();
        if !std::thread::panicking() {
            ended.expect("it ends well");
        }
    }
}

/// Spells a request.
pub(crate) fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// Reads until `end` was read.
pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&text).contains(end) {
        let length = stream.read(&mut buffer).expect("the answer comes in time");
        assert!(
            length > 0,
            "ended before {end:?}: {}",
            String::from_utf8_lossy(&text)
        );
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).expect("it works")
}
