//! A service on plain `axum::serve`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Router, http::StatusCode, routing::get};
use campanile_lifecycle::{Lifecycle, LifecycleHandle, ShutdownConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::within;

fn app(handle: &LifecycleHandle) -> Router {
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

async fn request(address: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

#[tokio::test]
async fn readiness_fails_first_then_the_listener_closes_and_requests_finish() {
    let settings = ShutdownConfig::new().with_drain_time(Duration::from_millis(300));
    let lifecycle = Lifecycle::new(settings).unwrap();
    let handle = lifecycle.handle();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = axum::serve(listener, app(&handle)).with_graceful_shutdown(handle.drain_elapsed());
    let running = tokio::spawn(lifecycle.run_with(serve));

    within("readiness", handle.ready()).await;
    assert!(request(address, "GET /readyz").await.unwrap().contains(" 200 "));
    assert!(request(address, "POST /drain").await.unwrap().contains(" 202 "));
    // Still served in the drain, so that load balancers see it.
    assert!(request(address, "GET /readyz").await.unwrap().contains(" 503 "));
    let slow = tokio::spawn(request(address, "GET /slow"));
    within("end of the drain time", handle.drain_elapsed()).await;
    let response = within("slow response", slow).await.unwrap().unwrap();
    assert!(response.ends_with("done"), "{response}");
    let (report, served) = within("end", running).await.unwrap();
    assert!(matches!(served, Some(Ok(()))) && !report.was_cut(), "{report:?}");
    assert!(
        request(address, "GET /readyz").await.is_err(),
        "the listener is closed"
    );
}
