//! Delayed and streamed responses.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;

/// The time between two chunks of a stream.
const CHUNK_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize)]
pub(super) struct Seconds {
    s: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Milliseconds {
    ms: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Chunks {
    n: u32,
}

/// `GET /sleep/{s}`
pub(super) async fn sleep(Path(seconds): Path<f64>) -> Response {
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        return (StatusCode::BAD_REQUEST, "not a time\n").into_response();
    };
    tokio::time::sleep(time).await;
    ([("x-view-name", HeaderValue::from_static("sleep.view"))], "ok").into_response()
}

/// `GET /slow?s=N`
pub(super) async fn slow(Query(Seconds { s }): Query<Seconds>) -> Response {
    sleep(Path(s)).await
}

/// `GET /block?ms=N`: blocks a worker thread of the runtime.
pub(super) async fn block(Query(Milliseconds { ms }): Query<Milliseconds>) -> &'static str {
    std::thread::sleep(Duration::from_millis(ms));
    "ok"
}

/// `GET /stream?n=N`: N chunks, each after 0.2 seconds.
pub(super) async fn stream(Query(Chunks { n }): Query<Chunks>) -> Body {
    Body::from_stream(stream::unfold(0, move |sent| async move {
        if sent == n {
            return None;
        }
        tokio::time::sleep(CHUNK_INTERVAL).await;
        let chunk = Bytes::from(format!("chunk {sent}\n"));
        Some((Ok::<_, std::convert::Infallible>(chunk), sent + 1))
    }))
}
