//! Responses while the service drains.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use campanile_inbound::DrainLayer;
use http::{Method, Request, Response, StatusCode, Version, header::CONNECTION};
use tower::{Layer, ServiceExt, service_fn};

/// Returns the `Connection` header of the response.
async fn connection_header(draining: bool, request: Request<()>, status: StatusCode) -> Option<String> {
    let layer = DrainLayer::new(move || draining);
    let service = layer.layer(service_fn(move |_: Request<()>| async move {
        let mut response = Response::builder().status(status);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            response = response.header(CONNECTION, "upgrade");
        }
        Ok::<_, Infallible>(response.body(()).unwrap())
    }));
    let response = service.oneshot(request).await.unwrap();
    let value = response.headers().get(CONNECTION)?;
    Some(value.to_str().unwrap().to_owned())
}

fn request(version: Version, method: Method) -> Request<()> {
    let request = Request::builder().version(version).method(method).uri("/");
    request.body(()).unwrap()
}

#[tokio::test]
async fn http1_responses_close_the_connection_while_draining() {
    for version in [Version::HTTP_10, Version::HTTP_11] {
        for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::NO_CONTENT] {
            let get = || request(version, Method::GET);
            assert_eq!(
                connection_header(true, get(), status).await.as_deref(),
                Some("close"),
                "{version:?}"
            );
            assert_eq!(connection_header(false, get(), status).await, None, "{version:?}");
        }
    }
}

#[tokio::test]
async fn http2_responses_are_unchanged() {
    assert_eq!(
        connection_header(true, request(Version::HTTP_2, Method::GET), StatusCode::OK).await,
        None
    );
}

#[tokio::test]
async fn upgrades_and_tunnels_keep_their_connection() {
    let upgrade = request(Version::HTTP_11, Method::GET);
    assert_eq!(
        connection_header(true, upgrade, StatusCode::SWITCHING_PROTOCOLS)
            .await
            .as_deref(),
        Some("upgrade")
    );
    let tunnel = request(Version::HTTP_11, Method::CONNECT);
    assert_eq!(connection_header(true, tunnel, StatusCode::OK).await, None);
}

#[tokio::test]
async fn a_drain_that_begins_during_a_request_closes_its_connection() {
    let draining = Arc::new(AtomicBool::new(false));
    let layer = DrainLayer::new({
        let draining = Arc::clone(&draining);
        move || draining.load(Ordering::SeqCst)
    });
    let service = layer.layer(service_fn(async |_: Request<()>| {
        draining.store(true, Ordering::SeqCst);
        Ok::<_, Infallible>(Response::new(()))
    }));
    let response = service
        .oneshot(request(Version::HTTP_11, Method::GET))
        .await
        .unwrap();
    assert_eq!(response.headers()[CONNECTION], "close");
}
