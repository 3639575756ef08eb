//! The table of requests in flight. It is the process's, so this is the only test in its own.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

use std::convert::Infallible;

use campanile_core::in_flight;
use campanile_inbound::RequestIdLayer;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test]
async fn a_layer_without_the_table_keeps_its_requests_out_of_it() {
    for (layer, rows) in [
        (RequestIdLayer::new(), 1),
        (RequestIdLayer::new().with_in_flight_table(false), 0),
    ] {
        let service = layer.layer(service_fn(move |_: Request<()>| async move {
            assert_eq!(in_flight::snapshot().len(), rows);
            Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
        }));
        let answer = service
            .oneshot(Request::get("/").body(()).unwrap())
            .await
            .unwrap();
        assert!(answer.headers().contains_key("x-request-id"));
        drop(answer);
        assert_eq!(in_flight::snapshot().len(), 0);
    }
    // As the module's documentation says: until the body ends, not until it is dropped.
    let service = RequestIdLayer::new().layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(b"answer"))))
    }));
    let request = Request::get("/").body(()).unwrap();
    let mut answer = service.oneshot(request).await.unwrap();
    assert_eq!(in_flight::snapshot().len(), 1);
    while answer.body_mut().frame().await.is_some() {}
    assert_eq!(in_flight::snapshot().len(), 0, "the body has ended");
}
