//! Requests that are refused before the service sees them: the response, the metrics and the close reason.

use std::collections::BTreeMap;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Running, simple, start, times, within};

struct Refusing {
    running: Running,
    recorder: &'static DebuggingRecorder,
    counts: BTreeMap<(String, String), u64>,
}

impl Refusing {
    async fn new() -> Self {
        let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
        let running = start(times(0, 1_500), Server::new(simple()).recorder(recorder)).await;
        Self {
            running,
            recorder,
            counts: BTreeMap::new(),
        }
    }

    /// Sends bytes, and reads to the end of the connection, which must not be reset.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut client = TcpStream::connect(self.running.address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        let mut response = Vec::new();
        within("the end", client.read_to_end(&mut response))
            .await
            .unwrap();
        drop(client);
        self.running.in_flight(1).await;
        String::from_utf8(response).unwrap()
    }

    /// Returns the counters since the last call, as `family label value`.
    fn counted(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        for (key, _, _, value) in self.recorder.snapshotter().snapshot().into_vec() {
            let family = match key.key().name() {
                "http_server_rejected_requests_total" => "rejected",
                "http_server_connections_total" => "closed",
                _ => continue,
            };
            let labels = key.key().labels();
            let label = labels
                .filter(|label| label.key() != "listener")
                .map(|label| label.value().to_owned());
            let label = label.collect::<String>();
            let DebugValue::Counter(count) = value else {
                continue;
            };
            // A snapshot resets the counters.
            if count > 0 {
                changed.push(format!("{family} {label} {count}"));
            }
            *self.counts.entry((family.to_owned(), label)).or_default() += count;
        }
        changed.sort();
        changed
    }
}

#[tokio::test]
async fn refused_heads_are_counted_by_reason_and_close_with_an_error() {
    let mut refusing = Refusing::new().await;
    let long = "a".repeat(70_000);
    let many = "x: y\r\n".repeat(101);
    let cases = [
        (
            "GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        ("G@T / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        (
            "GET /\u{7f} HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        ("GET / HTTP/3.1\r\nhost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {long}\r\n\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
            431,
            "headers_too_large",
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "host"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n".to_owned(),
            400,
            "host",
        ),
        (
            "GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(),
            400,
            "host",
        ),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n".to_owned(), 400, "host"),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        ("\u{16}".to_owned(), 400, "tls_on_plain_port"),
        (
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(),
            400,
            "tls_on_plain_port",
        ),
    ];
    for (head, status, reason) in cases {
        let name = head.get(..60).unwrap_or(&head).to_owned();
        let response = refusing.exchange(head.as_bytes()).await;
        assert!(
            response.get(8..13) == Some(&format!(" {status} ")),
            "{name}: {response}"
        );
        assert!(
            response.contains("\r\ncontent-type: text/plain"),
            "{name}: {response}"
        );
        assert!(
            response.to_lowercase().contains("\r\nconnection: close\r\n"),
            "{name}: {response}"
        );
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{name}: {response}"
        );
        assert!(body.len() > 10, "no explanation: {name}: {response}");
        let expected = ["closed error 1".to_owned(), format!("rejected {reason} 1")];
        assert_eq!(refusing.counted(), expected, "{name}");
    }
}

#[tokio::test]
async fn long_uri_is_414() {
    let mut refusing = Refusing::new().await;
    let recorder = refusing.recorder;
    refusing.running = start(
        times(0, 1_500),
        Server::new(simple()).recorder(recorder).max_head_bytes(200_000),
    )
    .await;
    let head = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(66_000));
    let response = refusing.exchange(head.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 414 "), "{response}");
    assert_eq!(refusing.counted(), ["closed error 1", "rejected uri_too_long 1"]);
}

#[tokio::test]
async fn what_a_server_must_accept_is_served() {
    let mut refusing = Refusing::new().await;
    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n",
        // The absolute form decides, and `Host` is ignored: RFC 9112, section 3.2.2.
        "GET http://b/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:8080\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nx: y\r\nHost: a_b.example:80\r\nconnection: close\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let response = refusing.exchange(head.as_bytes()).await;
        assert!(response.contains(" 200 OK"), "{head:?}: {response}");
        assert_eq!(refusing.counted(), ["closed done 1"], "{head:?}");
    }
}

#[tokio::test]
async fn head_limit_is_exact_over_http1() {
    let mut refusing = Refusing::new().await;
    for (over, status) in [(0, 200), (1, 431)] {
        let rest = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: \r\n\r\n".len();
        let value = "v".repeat(64 * 1024 - rest + over);
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {value}\r\n\r\n");
        assert_eq!(head.len(), 64 * 1024 + over);
        let response = refusing.exchange(head.as_bytes()).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{over}: {response}"
        );
    }
    refusing.counted();
}

#[tokio::test]
async fn head_limit_is_the_same_over_http2_and_explained() {
    let mut refusing = Refusing::new().await;
    let io = TcpStream::connect(refusing.running.address).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Empty<Bytes>>(TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut respond = async |length: usize, grpc: bool| {
        let mut request = Request::post("http://a/").header("cookie", "v".repeat(length));
        if grpc {
            request = request.header("content-type", "application/grpc");
        }
        let response = send
            .send_request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    };
    let (head, _) = respond(60_000, false).await;
    assert_eq!(head.status, StatusCode::OK);
    let (head, body) = respond(66_000, false).await;
    assert_eq!(head.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(std::str::from_utf8(&body).unwrap().contains("65536"), "{body:?}");
    let (head, body) = respond(66_000, true).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["grpc-status"], "8");
    assert!(head.headers.contains_key("grpc-message") && body.is_empty());
    assert_eq!(refusing.counted(), ["rejected headers_too_large 2"]);
}

#[tokio::test]
async fn http2_host_must_be_one_and_the_same() {
    let mut refusing = Refusing::new().await;
    let io = TcpStream::connect(refusing.running.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut status = async |hosts: &[&str]| {
        let mut request = Request::get("http://a.example:80/");
        for host in hosts {
            request = request.header("host", *host);
        }
        let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
        response.await.unwrap().status().as_u16()
    };
    assert_eq!(status(&[]).await, 200);
    assert_eq!(status(&["A.example:80"]).await, 200);
    // The port is the default one of the scheme.
    assert_eq!(status(&["a.example"]).await, 200);
    assert_eq!(status(&["a.example:"]).await, 200);
    assert_eq!(status(&["a.example:443"]).await, 400);
    assert_eq!(status(&["b.example:80"]).await, 400);
    assert_eq!(status(&["a.example:80", "a.example:80"]).await, 400);
    assert_eq!(status(&[]).await, 200, "the connection survives");
    assert_eq!(refusing.counted(), ["rejected host 3"]);
}

#[tokio::test]
async fn http2_header_fields_are_limited_in_number() {
    let mut refusing = Refusing::new().await;
    let io = TcpStream::connect(refusing.running.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut status = async |count: usize| {
        let mut request = Request::get("http://a/");
        for n in 0..count {
            request = request.header(format!("x{n}"), "y");
        }
        let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
        response.await.unwrap().status().as_u16()
    };
    // `:authority` counts, as `Host` does over HTTP/1.
    assert_eq!((status(99).await, status(100).await), (200, 431));
    // Browsers send each cookie in a field of its own: RFC 9113, section 8.2.3. Over HTTP/1 it is one field.
    let mut request = Request::get("http://a/");
    for n in 0..150 {
        request = request.header("cookie", format!("c{n}=v"));
    }
    let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!(refusing.counted(), ["rejected headers_too_large 1"]);
}

#[tokio::test]
async fn http2_protocol_errors_are_counted() {
    let mut refusing = Refusing::new().await;
    // Length, type, flags, stream: a SETTINGS frame of a wrong length, DATA on stream 0, and a frame above the maximum.
    let frames: [&[u8]; 3] = [
        &[0, 0, 5, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5],
        &[0, 0, 1, 0, 0, 0, 0, 0, 0, 1],
        &[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1],
    ];
    for frame in frames {
        let mut client = TcpStream::connect(refusing.running.address).await.unwrap();
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        client.write_all(frame).await.unwrap();
        let mut rest = Vec::new();
        within("the end", client.read_to_end(&mut rest)).await.unwrap();
        drop(client);
        refusing.running.in_flight(1).await;
        assert_eq!(
            refusing.counted(),
            ["closed error 1", "rejected protocol_error 1"],
            "{frame:?}"
        );
    }
}

/// hyper refuses a second head, of a kept-alive or pipelining client, as the first.
#[tokio::test]
async fn later_requests_are_refused_too() {
    let mut refusing = Refusing::new().await;
    let mut client = refusing.running.kept_alive().await;
    client.send("GET / HTTP/1.1\r\nbad\r\n\r\n").await;
    let response = client.rest().await;
    assert!(
        response.starts_with("HTTP/1.1 400 ") && response.ends_with("not valid HTTP.\n"),
        "{response}"
    );
    drop(client);
    refusing.running.in_flight(1).await;
    assert_eq!(refusing.counted(), ["closed error 1", "rejected bad_request 1"]);
    // Without the explanation: the first response may still be pending.
    let response = refusing
        .exchange(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nbad\r\n\r\n")
        .await;
    assert!(
        response.contains(" 200 OK") && response.contains(" 400 Bad Request"),
        "{response}"
    );
    assert_eq!(refusing.counted(), ["closed error 1", "rejected bad_request 1"]);
}

/// A service's own response is never taken for one of hyper's.
#[tokio::test]
async fn responses_of_the_service_are_not_replaced() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let service = tower::service_fn(async |_: Request<hyper::body::Incoming>| {
        let response = http::Response::builder()
            .status(431)
            .header("connection", "close");
        Ok::<_, std::convert::Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    });
    let running = start(times(0, 1_500), Server::new(service).recorder(recorder)).await;
    for pieces in [
        &["GET / HTTP/1.1\r\nhost: a\r\n\r\n"][..],
        &["GET / HT", "TP/1.1\r\nhost: a\r\n\r\n"],
    ] {
        let mut client = running.client().await;
        for piece in pieces {
            client.send(piece).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let response = client.rest().await;
        assert!(
            response.starts_with("HTTP/1.1 431 ") && response.ends_with("\r\n\r\n"),
            "{response}"
        );
    }
}

#[tokio::test]
async fn larger_heads_are_refused_over_http2() {
    let mut refusing = Refusing::new().await;
    let mut outcomes = Vec::new();
    for (fields, length) in [(2, 40_000), (4, 40_000), (1, 200_000), (20, 40_000)] {
        let io = TcpStream::connect(refusing.running.address).await.unwrap();
        let (mut send, connection) = h2::client::handshake(io).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::get("http://a/");
        for n in 0..fields {
            request = request.header(format!("x{n}"), "v".repeat(length));
        }
        let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
        let status = within("a response", response)
            .await
            .map(|response| response.status().as_u16());
        drop(send);
        let _ = within("the end", connection).await;
        refusing.running.in_flight(1).await;
        let mut counted = refusing.counted();
        counted.retain(|count| count.starts_with("rejected"));
        outcomes.push((status.unwrap_or(0), counted.concat()));
    }
    // Up to twice the limit our own response, up to eight times a bare 431 of h2, and then GOAWAY.
    let expected = [
        (431, "rejected headers_too_large 1"),
        (431, ""),
        (431, ""),
        (0, "rejected protocol_error 1"),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(status, counted)| (status, counted.to_owned()))
    );
}
