//! The metrics layer in different positions, and the routes that it sees.

use std::collections::BTreeMap;

use axum::{
    Router, ServiceExt,
    extract::Request,
    routing::{get, post},
};
use campanile_inbound::{MetricsLayer, RequestBodySizeLayer, RequestIdLayer, Route, stack};
use campanile_tests::{client::TestRequest, recorder::TestRecorder};
use tower::{Layer, ServiceBuilder, service_fn};

use super::{send, serve};

const REQUESTS: &str = "http_server_requests_total";
const FOLDED: &str = "campanile_series_folded_total";

fn users() -> Router {
    Router::new().route("/users/{id}", get(|| async { "user" }))
}

/// Requests each path, and returns the number of requests by route.
async fn routes(recorder: &TestRecorder, router: Router, paths: &[&'static str]) -> BTreeMap<String, f64> {
    let address = serve(router).await;
    for path in paths {
        send(address, &TestRequest::get(*path)).await;
    }
    requests_by_route(recorder).await
}

async fn requests_by_route(recorder: &TestRecorder) -> BTreeMap<String, f64> {
    // The end of a response may be recorded after its last byte was read.
    recorder.wait_for_total("http_server_active_requests", 0.0).await;
    assert_eq!(recorder.lowest("http_server_active_requests"), 0.0);
    let durations = "http_server_response_duration_seconds";
    assert_eq!(recorder.total(durations), recorder.total(REQUESTS));
    recorder.by_label(REQUESTS, "http_route")
}

fn counts<const N: usize>(expected: [(&str, f64); N]) -> BTreeMap<String, f64> {
    expected
        .into_iter()
        .map(|(route, count)| (route.to_owned(), count))
        .collect()
}

#[tokio::test]
async fn layer_of_a_router_sees_templates_and_unmatched_requests() {
    let recorder = TestRecorder::leak();
    let router = users().layer(MetricsLayer::new().with_recorder(recorder));
    let routes = routes(recorder, router, &["/users/1", "/users/2", "/nowhere/3"]).await;
    assert_eq!(routes, counts([("/users/{id}", 2.0), ("other", 1.0)]));
}

#[tokio::test]
async fn route_layer_does_not_see_unmatched_requests() {
    let recorder = TestRecorder::leak();
    let router = users().route_layer(MetricsLayer::new().with_recorder(recorder));
    let routes = routes(recorder, router, &["/users/1", "/nowhere/3"]).await;
    assert_eq!(routes, counts([("/users/{id}", 1.0)]));
}

#[tokio::test]
async fn nested_router_is_seen_with_its_whole_template() {
    let recorder = TestRecorder::leak();
    let router = Router::new()
        .nest("/api", users())
        .layer(MetricsLayer::new().with_recorder(recorder));
    let routes = routes(recorder, router, &["/api/users/1", "/api/nothing"]).await;
    assert_eq!(routes, counts([("/api/users/{id}", 1.0), ("other", 1.0)]));
}

#[tokio::test]
async fn nested_service_names_its_route_itself_or_is_other() {
    let recorder = TestRecorder::leak();
    let files = service_fn(|request: Request| async move {
        let mut response = axum::response::Response::new(axum::body::Body::from("file"));
        if request.uri().path() == "/named" {
            response.extensions_mut().insert(Route::new("/files/{name}"));
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    let router = Router::new()
        .nest_service("/files", files)
        .layer(MetricsLayer::new().with_recorder(recorder));
    let routes = routes(recorder, router, &["/files/a", "/files/named"]).await;
    assert_eq!(routes, counts([("other", 1.0), ("/files/{name}", 1.0)]));
}

#[tokio::test]
async fn layer_around_a_router_does_not_see_routes() {
    let recorder = TestRecorder::leak();
    let metrics = MetricsLayer::new().with_recorder(recorder);
    let routes = around(recorder, metrics.layer(users())).await;
    assert_eq!(routes, counts([("other", 2.0)]));
}

#[tokio::test]
async fn layer_around_a_router_gets_the_route_from_a_layer_inside() {
    let recorder = TestRecorder::leak();
    let metrics = MetricsLayer::new().with_recorder(recorder);
    let routes = around(recorder, metrics.layer(users().layer(metrics.clone()))).await;
    assert_eq!(routes, counts([("/users/{id}", 1.0), ("other", 1.0)]));
}

async fn around<S, B>(recorder: &TestRecorder, service: S) -> BTreeMap<String, f64>
where
    S: tower::Service<Request, Response = axum::response::Response<B>, Error = std::convert::Infallible>,
    S: Clone + Send + Sync + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<tower::BoxError>> + Send + 'static,
    S::Future: Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::ServiceExt::map_response(service, |response| response.map(axum::body::Body::new));
    tokio::spawn(axum::serve(listener, service.into_make_service()).into_future());
    for path in ["/users/1", "/nowhere/2"] {
        send(address, &TestRequest::get(path)).await;
    }
    requests_by_route(recorder).await
}

#[tokio::test]
async fn same_layer_twice_counts_once() {
    let recorder = TestRecorder::leak();
    let metrics = MetricsLayer::new().with_recorder(recorder);
    let router = users().layer(metrics.clone()).layer(metrics);
    let routes = routes(recorder, router, &["/users/1", "/users/2", "/nowhere"]).await;
    assert_eq!(routes, counts([("/users/{id}", 2.0), ("other", 1.0)]));
}

#[tokio::test]
async fn two_layers_for_one_recorder_count_once() {
    let recorder = TestRecorder::leak();
    let router = users()
        .layer(MetricsLayer::new().with_recorder(recorder))
        .layer(MetricsLayer::new().with_recorder(recorder));
    let routes = routes(recorder, router, &["/users/1", "/nowhere"]).await;
    assert_eq!(routes, counts([("/users/{id}", 1.0), ("other", 1.0)]));
}

#[tokio::test]
async fn two_layers_for_two_recorders_count_in_both() {
    let (inner, outer) = (TestRecorder::leak(), TestRecorder::leak());
    let router = users()
        .layer(MetricsLayer::new().with_recorder(inner))
        .layer(MetricsLayer::new().with_recorder(outer));
    let expected = counts([("/users/{id}", 1.0)]);
    assert_eq!(routes(inner, router, &["/users/1"]).await, expected);
    assert_eq!(requests_by_route(outer).await, expected);
}

#[tokio::test]
async fn layer_around_a_router_gets_the_route_only_from_its_own_clone() {
    let (one, two) = (TestRecorder::leak(), TestRecorder::leak());
    let first = MetricsLayer::new().with_recorder(one);
    let second = MetricsLayer::new().with_recorder(two);
    // Only the first has a layer inside that sees the route; the second must not take the route of the first.
    let service = ServiceBuilder::new()
        .layer(first.clone())
        .layer(second)
        .service(users().layer(first));
    let routes = around(one, service).await;
    assert_eq!(routes, counts([("/users/{id}", 1.0), ("other", 1.0)]));
    assert_eq!(requests_by_route(two).await, counts([("other", 2.0)]));
}

#[tokio::test]
async fn stack_twice_counts_once_and_keeps_the_id() {
    let recorder = TestRecorder::leak();
    let stacked = || {
        stack()
            .with_metrics(MetricsLayer::new().with_recorder(recorder))
            .with_request_id(RequestIdLayer::new().with_recorder(recorder))
    };
    let address = serve(users().layer(stacked()).layer(stacked())).await;
    let request = TestRequest::get("/users/1").header("x-request-id", "id");
    let head = send(address, &request).await;
    assert_eq!(head.headers["x-request-id"], "id");
    assert_eq!(head.headers.get_all("x-request-id").iter().count(), 1);
    assert_eq!(requests_by_route(recorder).await, counts([("/users/{id}", 1.0)]));
}

#[tokio::test]
async fn folded_observation_is_counted_once_though_two_layers_see_it() {
    let recorder = TestRecorder::leak();
    let metrics = MetricsLayer::new().with_recorder(recorder).with_route_limit(1);
    let router = users()
        .route("/second", get(|| async { "beyond" }))
        .layer(metrics.clone())
        .layer(metrics);
    let routes = routes(recorder, router, &["/users/1", "/second", "/second"]).await;
    assert_eq!(routes, counts([("/users/{id}", 1.0), ("other", 2.0)]));
    assert_eq!(recorder.total(FOLDED), 2.0);
}

#[tokio::test]
async fn every_request_of_every_connection_is_counted_without_make_service() {
    let recorder = TestRecorder::leak();
    let address =
        serve(users().layer(stack().with_metrics(MetricsLayer::new().with_recorder(recorder)))).await;
    for _ in 0..3 {
        let mut connection = campanile_tests::client::Http1::connect(address).await.unwrap();
        for _ in 0..2 {
            super::send_on(&mut connection, &TestRequest::get("/users/1")).await;
        }
    }
    assert_eq!(requests_by_route(recorder).await, counts([("/users/{id}", 6.0)]));
}

#[tokio::test]
async fn streamed_upload_is_sized_once_though_the_layer_was_applied_twice() {
    let recorder = TestRecorder::leak();
    let sizes = RequestBodySizeLayer::new().with_recorder(recorder);
    let router = Router::new()
        .route(
            "/upload",
            post(|body: axum::body::Bytes| async move { body.len().to_string() }),
        )
        .layer(sizes)
        .layer(sizes)
        .layer(MetricsLayer::new().with_recorder(recorder));
    let address = serve(router).await;
    let upload = TestRequest::get("/upload").method("POST");
    send(address, &upload.clone().streamed_body("12345")).await;
    send(address, &upload.body("123")).await;
    assert_eq!(requests_by_route(recorder).await, counts([("/upload", 2.0)]));
    let series = "http_server_request_body_size_bytes{http_request_method=POST,http_route=/upload}";
    assert_eq!(recorder.nonzero_series()[series], "2 of 8");
}
