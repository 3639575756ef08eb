//! Requests in flight at the stop timeout are rejected or aborted without a reset, and counted.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_server::Server;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::service_fn;

use crate::support::{ms, simple, start, timed, times, within};

/// Responds with a body that never ends after its first byte.
async fn endless(_: Request<Incoming>) -> Result<Response<axum::body::Body>, Infallible> {
    let frames = stream::unfold(false, async |begun| {
        if begun {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), true))
    });
    Ok(Response::new(axum::body::Body::new(StreamBody::new(Box::pin(
        frames,
    )))))
}

#[tokio::test]
async fn request_without_a_response_head_gets_503() {
    let running = start(times(0, 100), Server::new(simple())).await;
    let mut client = running.client().await;
    // The handler does not read the body: a close with unread bytes would be a reset and lose the response.
    client
        .send("POST /sleep/60000 HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    client.send(&"x".repeat(500_000)).await;
    running.in_flight(2).await;
    running.handle.drain();
    let response = client.response().await;
    assert_eq!((response.status, response.closes()), (503, true), "{response:?}");
    assert_eq!(client.rest().await, "");
    let report = running.stopped().await;
    assert_eq!((report.cut_requests(), report.was_cut()), (1, true));
}

#[tokio::test]
async fn response_body_ends_without_its_last_chunk_and_without_a_reset() {
    let running = start(times(0, 100), Server::new(service_fn(endless))).await;
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    client.send(&"x".repeat(500_000)).await;
    client.until("1\r\nx\r\n").await;
    running.handle.drain();
    assert_eq!(client.rest().await, "", "a last chunk was sent");
    let report = running.stopped().await;
    assert_eq!(report.cut_requests(), 1);
}

#[tokio::test]
async fn http2_streams_are_rejected_or_reset() {
    let service = service_fn(async |request: Request<Incoming>| match request.uri().path() {
        "/endless" => endless(request).await,
        _ => std::future::pending().await,
    });
    let running = start(times(0, 200), Server::new(service)).await;
    let io = TokioIo::new(TcpStream::connect(running.address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let get = |path: &str| {
        Request::get(format!("http://a{path}"))
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let mut endless = sender.send_request(get("/endless")).await.unwrap();
    assert_eq!(endless.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
    let waiting = sender.send_request(get("/"));
    let grpc = Request::post("http://a/a.B/C")
        .header("content-type", "application/grpc")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let called = sender.send_request(grpc);
    running.handle.drain();
    let (waiting, called) = tokio::join!(waiting, called);
    assert_eq!(waiting.unwrap().status(), 503);
    let called = called.unwrap();
    assert_eq!(
        (called.status().as_u16(), &called.headers()["grpc-status"]),
        (200, &"14".parse().unwrap())
    );
    let error = within("the end of the stream", endless.frame())
        .await
        .unwrap()
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("stream error"), "not a stream reset: {source}");
    let report = running.stopped().await;
    assert_eq!(report.cut_requests(), 3);
    drop(sender);
    let _ = within("the end of the connection", connection).await;
}

#[tokio::test]
async fn cut_aborts_at_once() {
    let running = start(times(60_000, 60_000), Server::new(simple())).await;
    let mut client = running.client().await;
    client.get("/sleep/60000").await;
    running.in_flight(2).await;
    running.handle.drain();
    running.handle.end_drain_time();
    running.handle.cut();
    let (report, took) = timed(running.stopped()).await;
    assert_eq!(report.cut_requests(), 1);
    assert!(took < ms(1000), "{took:?}");
    assert_eq!(client.response().await.status, 503);
}

#[tokio::test]
async fn client_that_does_not_read_does_not_delay_the_end() {
    let service = service_fn(async |_: Request<Incoming>| {
        let body = http_body_util::Full::new(Bytes::from(vec![b'x'; 64 << 20]));
        Ok::<_, Infallible>(Response::new(body))
    });
    let running = start(times(0, 200), Server::new(service)).await;
    let mut client = running.client().await;
    client.get("/").await;
    client.until("\r\n\r\n").await;
    running.handle.drain();
    let (report, took) = timed(running.stopped()).await;
    assert!(report.was_cut());
    assert!(took < ms(1500), "{took:?}");
}

#[tokio::test]
async fn dropped_server_aborts_requests() {
    let bound = Server::new(simple())
        .bind("127.0.0.1:0")
        .lifecycle(crate::support::lifecycle(times(60_000, 60_000)))
        .try_bind()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    let running = tokio::spawn(bound.run());
    handle.ready().await;
    let mut client = crate::support::Client::new(TcpStream::connect(address).await.unwrap());
    client.get("/sleep/60000").await;
    within("the request", async {
        while handle.in_flight() < 2 {
            tokio::time::sleep(ms(2)).await;
        }
    })
    .await;
    running.abort();
    assert_eq!(client.response().await.status, 503);
}
