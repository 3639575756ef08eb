//! Answers that are given before the request was read to its end.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tower::service_fn;

use crate::support::{start, times, within};

/// Reads no body.
async fn refuse(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = Response::builder().status(413);
    Ok(answer.body(Full::from("too large")).unwrap())
}

/// Sends a head and eight megabytes, more than all buffers on the way hold; then there has to be an answer.
async fn is_answered(head: &str, status: &str) {
    let running = start(times(0, 5_000), Server::new(service_fn(refuse))).await;
    for _ in 0..5 {
        let mut client = running.client().await;
        client.send(head).await;
        let piece = [b'x'; 64 * 1024];
        for sent in 0..128 {
            let written = within("room to write", client.io.write_all(&piece)).await;
            assert!(written.is_ok(), "{written:?} after {sent} pieces");
        }
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}");
    }
    running.handle.drain();
    running.stopped().await;
}

#[tokio::test]
async fn an_upload_that_nobody_reads_is_answered_and_not_reset() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8388608\r\n\r\n";
    is_answered(head, "413").await;
}

#[tokio::test]
async fn an_upload_by_a_client_that_closes_is_answered_and_not_reset() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 8388608\r\n\r\n";
    is_answered(head, "413").await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_and_not_reset() {
    is_answered("GET / HTTP/1.1\r\nhost: a\r\nx: ", "431").await;
}
