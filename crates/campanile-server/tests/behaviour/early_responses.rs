//! Responses sent before the request is read to its end.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tower::service_fn;

use crate::support::{start, times, within};

/// Responds without reading the body.
async fn refuse(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder().status(413);
    Ok(response.body(Full::from("too large")).unwrap())
}

/// Sends a head and eight megabytes, more than all buffers hold, and then expects a response.
async fn expect_response(head: &str, status: &str) {
    let running = start(times(0, 5_000), Server::new(service_fn(refuse))).await;
    for _ in 0..5 {
        let mut client = running.client().await;
        client.send(head).await;
        let piece = [b'x'; 64 * 1024];
        for sent in 0..128 {
            let written = within("room to write", client.io.write_all(&piece)).await;
            assert!(written.is_ok(), "{written:?} after {sent} pieces");
        }
        let response = client.rest().await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{response:?}"
        );
    }
    running.handle.drain();
    running.stopped().await;
}

#[tokio::test]
async fn unread_upload_gets_a_response() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8388608\r\n\r\n";
    expect_response(head, "413").await;
}

#[tokio::test]
async fn unread_upload_with_connection_close_gets_a_response() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 8388608\r\n\r\n";
    expect_response(head, "413").await;
}

#[tokio::test]
async fn oversized_head_gets_a_response() {
    expect_response("GET / HTTP/1.1\r\nhost: a\r\nx: ", "431").await;
}
