//! The table of requests in flight. Each process has one, so this test has a process of its own.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::convert::Infallible;

use campanile_core::in_flight;
use campanile_inbound::RequestIdLayer;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test]
async fn requests_are_in_the_table_until_their_body_ends_unless_disabled() {
    for (layer, rows) in [
        (RequestIdLayer::new(), 1),
        (RequestIdLayer::new().with_in_flight_table(false), 0),
    ] {
        let service = layer.layer(service_fn(move |_: Request<()>| async move {
            assert_eq!(in_flight::snapshot().len(), rows);
            Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
        }));
        let response = service
            .oneshot(Request::get("/").body(()).unwrap())
            .await
            .unwrap();
        assert!(response.headers().contains_key("x-request-id"));
        drop(response);
        assert_eq!(in_flight::snapshot().len(), 0);
    }
    // Until the body ends, not until it is dropped.
    let service = RequestIdLayer::new().layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(b"hello"))))
    }));
    let request = Request::get("/").body(()).unwrap();
    let mut response = service.oneshot(request).await.unwrap();
    assert_eq!(in_flight::snapshot().len(), 1);
    while response.body_mut().frame().await.is_some() {}
    assert_eq!(in_flight::snapshot().len(), 0, "the body has ended");
}
