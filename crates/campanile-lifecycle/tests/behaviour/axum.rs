//! The few lines that a user of plain `axum::serve` writes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Router, http::StatusCode, routing::get};
use campanile_lifecycle::{Handle, Lifecycle, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::within;

fn app(handle: &Handle) -> Router {
    let ready = {
        let handle = handle.clone();
        move || async move {
            if handle.readiness().await.is_ready() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    };
    let drain = {
        let handle = handle.clone();
        move || async move {
            handle.drain();
            StatusCode::ACCEPTED
        }
    };
    Router::new()
        .route("/readyz", get(ready))
        .route("/drain", axum::routing::post(drain))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(700)).await;
                "done"
            }),
        )
}

async fn ask(address: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn readiness_fails_first_then_the_listener_closes_and_what_runs_is_finished() {
    let settings = Settings::new().with_drain_time(Duration::from_millis(300));
    let lifecycle = Lifecycle::new(settings).unwrap();
    let handle = lifecycle.handle();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = axum::serve(listener, app(&handle)).with_graceful_shutdown(handle.draining_over());
    let running = tokio::spawn(lifecycle.run_with(serving));

    within("readiness", handle.ready()).await;
    assert!(ask(address, "GET /readyz").await.unwrap().contains(" 200 "));
    assert!(ask(address, "POST /drain").await.unwrap().contains(" 202 "));
    // Served still, in a drain: it is what tells everybody to go elsewhere.
    assert!(ask(address, "GET /readyz").await.unwrap().contains(" 503 "));
    let slow = tokio::spawn(ask(address, "GET /slow"));
    within("end of the drain time", handle.draining_over()).await;
    let answer = within("slow answer", slow).await.unwrap().unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    let (report, served) = within("end", running).await.unwrap();
    assert!(matches!(served, Some(Ok(()))) && !report.was_cut(), "{report:?}");
    assert!(
        ask(address, "GET /readyz").await.is_err(),
        "the listener is closed"
    );
}
