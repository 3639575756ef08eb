//! Clients that stop sending their request body.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use crate::support::{Running, ms, start, timed, times, within};

type Service = BoxCloneService<Request<Incoming>, Response<Full<Bytes>>, Infallible>;

/// Responds with the length of the request body; with `/late` 500 ms after it, with `/unread` 500 ms after the head.
fn lengths() -> Service {
    service_fn(async |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        if path == "/unread" {
            tokio::time::sleep(ms(700)).await;
        }
        let body = request.into_body().collect().await;
        if path == "/late" {
            tokio::time::sleep(ms(700)).await;
        }
        let text = body.map_or_else(|_| "failed".to_owned(), |body| body.to_bytes().len().to_string());
        Ok(Response::new(Full::from(text)))
    })
    .boxed_clone()
}

async fn running() -> (Running, &'static DebuggingRecorder) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let server = Server::new(lengths())
        .recorder(recorder)
        .body_read_timeout(ms(250));
    (start(times(0, 1_000), server).await, recorder)
}

fn timeouts(recorder: &DebuggingRecorder) -> u64 {
    let metrics = recorder.snapshotter().snapshot().into_vec();
    let counts = metrics.into_iter().filter_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) if key.key().name() == "http_server_body_read_timeouts_total" => {
            Some(count)
        }
        _ => None,
    });
    counts.sum()
}

#[tokio::test]
async fn silent_client_gets_408_and_is_disconnected() {
    let (running, recorder) = running().await;
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\npart",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000000000000000\r\n\r\npart",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab",
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.0\r\ncontent-length: 3\r\n\r\nab",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n",
    ] {
        let mut client = running.client().await;
        client.send(request).await;
        let response = client.rest().await;
        let response = response.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(response.get(8..13), Some(" 408 "), "{request}: {response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
        assert!(response.ends_with("did not arrive in time.\n"), "{response}");
        drop(client);
        running.in_flight(1).await;
        assert_eq!(timeouts(recorder), 1, "{request}");
    }
}

#[tokio::test]
async fn slow_client_and_slow_handler_have_time() {
    let (running, recorder) = running().await;
    // Each byte restarts the time.
    let mut slow = running.client().await;
    slow.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n")
        .await;
    for byte in ["a", "b", "c", "d", "e", "f"] {
        tokio::time::sleep(ms(100)).await;
        slow.send(byte).await;
    }
    assert_eq!(slow.response().await.body, "6");
    for request in [
        "POST /late HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "POST /late HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx: y\r\n\r\n",
        "GET /late HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        // Not read in the first 500 ms.
        "POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
    ] {
        let mut client = running.client().await;
        client.send(request).await;
        assert_eq!(client.response().await.body, "4", "{request}");
        // Kept alive, and followed again.
        client.send(request).await;
        assert_eq!(client.response().await.body, "4", "{request}");
    }
    assert_eq!(timeouts(recorder), 0);
}

/// The handler has not asked for the body: the client is not to blame.
#[tokio::test]
async fn body_that_is_not_read_does_not_time_out() {
    let (running, recorder) = running().await;
    let mut client = running.client().await;
    client
        .send("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbo")
        .await;
    tokio::time::sleep(ms(600)).await;
    client.send("dy").await;
    assert_eq!(client.response().await.body, "4");
    assert_eq!(timeouts(recorder), 0);
}

#[tokio::test]
async fn pipelined_requests_are_followed() {
    let (running, _) = running().await;
    let mut client = running.client().await;
    let post = "POST /late HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    client
        .send(&format!("{post}{post}GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        .await;
    for expected in ["4", "4", "0"] {
        assert_eq!(client.response().await.body, expected);
    }
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nb")
        .await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn response_that_has_begun_is_cut() {
    let echo = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let running = start(times(0, 1_000), Server::new(echo).body_read_timeout(ms(250))).await;
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\npart")
        .await;
    client.until("part").await;
    let (rest, took) = timed(client.rest()).await;
    assert_eq!(rest, "", "a complete response");
    assert!(took > ms(200), "{took:?}");
    running.in_flight(1).await;
}

#[tokio::test]
async fn timeout_applies_in_a_shutdown_too() {
    let (running, _) = running().await;
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\npart")
        .await;
    running.in_flight(2).await;
    running.handle.drain();
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    drop(client);
    assert!(!within("the end", running.stopped()).await.was_cut());
}

/// A complete request behind another, or a body in the same segment as its head, is not waited for.
#[tokio::test]
async fn complete_body_that_came_with_other_bytes_does_not_time_out() {
    let (running, recorder) = running().await;
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let post = "POST /late HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    let chunked =
        "POST /late HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx: y\r\n\r\n";
    for (requests, expected) in [
        (format!("{get}{post}"), &["0", "4"][..]),
        (format!("{get}{get}{chunked}"), &["0", "0", "4"]),
        (format!("{post}{chunked}{post}"), &["4", "4", "4"]),
        (chunked.replace("POST", "GET"), &["4"]),
        (post.replace("POST", "GET").replace("body", "\r\n\r\n"), &["4"]),
    ] {
        let mut client = running.client().await;
        client.send(&requests).await;
        for body in expected {
            assert_eq!(client.response().await.body, *body, "{requests}");
        }
    }
    assert_eq!(timeouts(recorder), 0);
}

/// The time begins when the client is asked for the body.
#[tokio::test]
async fn client_that_waits_for_100_continue_has_the_whole_time() {
    let (running, recorder) = running().await;
    let mut client = running.client().await;
    client
        .send("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
        .await;
    // 700 ms later, when two thirds of the third interval of 250 ms are over.
    client.until("100 Continue\r\n\r\n").await;
    tokio::time::sleep(ms(150)).await;
    client.send("body").await;
    assert_eq!(client.response().await.body, "4");
    assert_eq!(timeouts(recorder), 0);
}
