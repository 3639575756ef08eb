//! The client that the process shares, in more than one runtime.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]
#![cfg(feature = "shared")]

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty, Full};
use support::{Then, server, within};
use tower::ServiceExt;

const KEPT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn call(url: &str) -> Bytes {
    let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    let response = within("the head", campanile_outbound::shared().oneshot(request))
        .await
        .unwrap();
    within("the body", response.into_body().collect())
        .await
        .unwrap()
        .to_bytes()
}

#[test]
fn a_runtime_that_is_polled_no_longer_holds_nobody_up() {
    // Serves on a runtime of its own, on a thread that runs all the time.
    let servers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (address, connections) = servers.block_on(server(Then::WriteAndHold(KEPT)));
    let url = format!("http://{address}/");
    let first = runtime();
    assert_eq!(first.block_on(call(&url)), "ok");
    // The first lives on, and its pool has an idle connection, but nobody polls it.
    let second = runtime();
    assert_eq!(second.block_on(call(&url)), "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    // One that has ended leaves nothing that another would take.
    drop((first, second));
    assert_eq!(runtime().block_on(call(&url)), "ok");
    // More than are kept.
    for _ in 0..20 {
        assert_eq!(runtime().block_on(call(&url)), "ok");
    }
    servers.shutdown_timeout(Duration::from_millis(100));
}

#[tokio::test]
async fn the_id_goes_along_and_any_body_is_taken() {
    let (address, _) = server(Then::Echo).await;
    let head = String::from_utf8(call(&format!("http://{address}/")).await.to_vec()).unwrap();
    assert!(head.contains("x-request-id: "), "{head}");
    let request = Request::post(format!("http://{address}/"))
        .body(Full::<Bytes>::from("hello"))
        .unwrap();
    let response = within("the head", campanile_outbound::shared().oneshot(request))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn version_2_goes_over_http_2() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(async |request: Request<hyper::body::Incoming>| {
            assert_eq!(request.version(), Version::HTTP_2);
            Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from("two")))
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        hyper::server::conn::http2::Builder::new(executor)
            .serve_connection(io, service)
            .await
    });
    let request = Request::get(format!("http://{address}/"))
        .version(Version::HTTP_2)
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = within("the head", campanile_outbound::shared().oneshot(request))
        .await
        .unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "two");
}
