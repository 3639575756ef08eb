//! The shared client, in one runtime and in several.

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{AfterHead, server, within};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty, Full};
use tower::ServiceExt;

const KEEP_ALIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

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
fn an_idle_runtime_does_not_block_calls_of_others() {
    // The server has a runtime and a thread of its own.
    let servers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (address, connections) = servers.block_on(server(AfterHead::WriteAndHold(KEEP_ALIVE)));
    let url = format!("http://{address}/");
    let first = runtime();
    assert_eq!(first.block_on(call(&url)), "ok");
    // The first runtime has an idle connection but is no longer polled.
    let second = runtime();
    assert_eq!(second.block_on(call(&url)), "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    // Connections of a dropped runtime are not reused.
    drop((first, second));
    assert_eq!(runtime().block_on(call(&url)), "ok");
    // More runtimes than pools are kept for.
    for _ in 0..20 {
        assert_eq!(runtime().block_on(call(&url)), "ok");
    }
    servers.shutdown_timeout(Duration::from_millis(100));
}

#[tokio::test]
async fn the_id_is_sent_and_any_body_is_accepted() {
    let (address, _) = server(AfterHead::Echo).await;
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
async fn http_2_requests_use_http_2() {
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
