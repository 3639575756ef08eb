//! Labels of the metrics layer, and its behaviour when a body or a recorder panics.

use std::sync::{Arc, Mutex};

use campanile_core::Outcome;
use campanile_inbound::{MetricsLayer, Route};
use http::{Request, Response};
use http_body::Body;
use metrics_util::{
    CompositeKey,
    debugging::{DebugValue, DebuggingRecorder, Snapshotter},
};
use tower::{Layer, ServiceExt, service_fn};

const RECORDED_AT_THE_END: [&str; 3] = [
    "http_server_response_duration_seconds",
    "http_server_request_body_size_bytes",
    "http_server_response_body_size_bytes",
];

/// Returns a layer, and a snapshotter of its recorder.
fn layer() -> (MetricsLayer, Snapshotter) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    (
        MetricsLayer::new().with_recorder(recorder),
        recorder.snapshotter(),
    )
}

/// Calls a service that returns `result`, and reads the response to its end.
async fn call(layer: &MetricsLayer, result: Result<Response<String>, &'static str>) {
    let result = Arc::new(Mutex::new(Some(result)));
    let service = layer.layer(service_fn(move |_: Request<String>| {
        let result = result.lock().unwrap().take().unwrap();
        async move { result }
    }));
    let mut request = Request::new("body".to_owned());
    request.extensions_mut().insert(Route::new("/users/{id}"));
    if let Ok(response) = service.oneshot(request).await {
        let mut body = std::pin::pin!(response.into_body());
        while std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))
            .await
            .is_some()
        {}
    }
}

fn response(status: u16, view: Option<&[u8]>) -> Response<String> {
    let mut response = Response::builder().status(status);
    if let Some(view) = view {
        response = response.header("x-view-name", view);
    }
    response.body("hello".to_owned()).unwrap()
}

/// Returns the series of a metric, each as its label values in the order of the label names.
fn series(snapshotter: &Snapshotter, name: &str) -> Vec<String> {
    let mut all: Vec<String> = snapshotter
        .snapshot()
        .into_vec()
        .iter()
        .map(|(key, ..): &(CompositeKey, _, _, _)| key.key())
        .filter(|key| key.name() == name)
        .map(|key| {
            let values: Vec<&str> = key.labels().map(metrics::Label::value).collect();
            values.join(" ")
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn status_labels_add_status_and_outcome_to_metrics_recorded_at_the_end() {
    let (layer, snapshotter) = layer();
    let layer = layer.with_status_labels(true);
    call(&layer, Ok(response(200, None))).await;
    call(&layer, Ok(response(404, None))).await;
    call(&layer, Ok(response(504, None))).await;
    let mut timed_out = response(504, None);
    timed_out.extensions_mut().insert(Outcome::TimedOut);
    call(&layer, Ok(timed_out)).await;
    call(&layer, Err("no response")).await;
    let with_head = [
        "GET 200 /users/{id} completed",
        "GET 404 /users/{id} completed",
        "GET 504 /users/{id} completed",
        "GET 504 /users/{id} timed_out",
    ]
    .map(str::to_owned);
    let without = "GET  /users/{id} failed".to_owned();
    for name in RECORDED_AT_THE_END {
        let mut expected = with_head.to_vec();
        // Without a response there is no size.
        if name != "http_server_response_body_size_bytes" {
            expected.insert(0, without.clone());
        }
        assert_eq!(series(&snapshotter, name), expected, "{name}");
    }
    // Other metrics are unchanged.
    let requests = "http_server_requests_total";
    assert_eq!(series(&snapshotter, requests).len(), 5);
    assert_eq!(
        series(&snapshotter, "http_server_active_requests"),
        ["GET /users/{id}"]
    );
}

#[tokio::test]
async fn status_labels_are_off_by_default() {
    let (layer, snapshotter) = layer();
    call(&layer, Ok(response(200, None))).await;
    call(&layer, Err("no response")).await;
    for name in RECORDED_AT_THE_END {
        assert_eq!(series(&snapshotter, name), ["GET /users/{id}"], "{name}");
    }
}

#[tokio::test]
async fn status_labels_do_not_enable_disabled_metrics() {
    let (layer, snapshotter) = layer();
    let layer = layer
        .with_status_labels(true)
        .with_body_sizes(false)
        .with_response_duration(false);
    call(&layer, Ok(response(200, None))).await;
    for name in RECORDED_AT_THE_END {
        assert_eq!(series(&snapshotter, name), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn route_is_the_view_name_of_the_response() {
    let long = "v".repeat(64);
    let too_long = "v".repeat(65);
    for (view, route) in [
        (Some(&b"users.show"[..]), "users.show"),
        (Some(b"a:Z/{0}*-_9"), "a:Z/{0}*-_9"),
        (Some(long.as_bytes()), &*long),
        (Some(too_long.as_bytes()), "other"),
        (Some(b""), "other"),
        (Some(b"two words"), "other"),
        (Some(b"caf\xe9"), "other"),
        (None, "other"),
    ] {
        let (layer, snapshotter) = layer();
        call(&layer.with_view_name_as_route(true), Ok(response(200, view))).await;
        let requests = series(&snapshotter, "http_server_requests_total");
        assert_eq!(requests, [format!("GET 200 {route} completed")], "{view:?}");
        for name in RECORDED_AT_THE_END {
            assert_eq!(series(&snapshotter, name), [format!("GET {route}")], "{name}");
        }
    }
}

#[tokio::test]
async fn requests_renamed_by_their_view_leave_no_active_request() {
    let (layer, snapshotter) = layer();
    let layer = layer.with_view_name_as_route(true);
    call(&layer, Ok(response(200, Some(b"users.show")))).await;
    let gauges = snapshotter.snapshot().into_vec();
    let mut values: Vec<DebugValue> = gauges
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "http_server_active_requests")
        .map(|(.., value)| value)
        .collect();
    values.dedup();
    assert_eq!(values, [DebugValue::Gauge(0.0.into())]);
}

#[tokio::test]
async fn view_names_are_bounded_like_routes() {
    let (layer, snapshotter) = layer();
    let layer = layer.with_view_name_as_route(true).with_route_limit(2);
    for view in ["a", "b", "c", "d", "a"] {
        call(&layer, Ok(response(200, Some(view.as_bytes())))).await;
    }
    let requests = series(&snapshotter, "http_server_requests_total");
    assert_eq!(
        requests,
        [
            "GET 200 a completed",
            "GET 200 b completed",
            "GET 200 other completed"
        ]
    );
    assert_eq!(series(&snapshotter, "campanile_series_folded_total"), [""]);
}

#[tokio::test]
async fn layers_with_and_without_status_labels_record_separate_series() {
    let (default, snapshotter) = layer();
    let labelled = default.clone().with_status_labels(true);
    call(&default, Ok(response(200, None))).await;
    call(&labelled, Ok(response(200, None))).await;
    assert_eq!(
        series(&snapshotter, "http_server_response_duration_seconds"),
        ["GET /users/{id}", "GET 200 /users/{id} completed"]
    );
}

#[tokio::test]
async fn skipped_route_is_skipped_with_view_names_as_routes() {
    let (layer, snapshotter) = layer();
    let layer = layer
        .with_view_name_as_route(true)
        .with_skipped_route("/users/{id}");
    call(&layer, Ok::<_, &str>(response(200, Some(b"users.show")))).await;
    assert!(snapshotter.snapshot().into_vec().is_empty());
}

/// A body whose `is_end_stream` panics.
struct PanickingBody;

impl Body for PanickingBody {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        panic!("on purpose");
    }
}

/// Makes a call that panics. Returns the counted requests and the number of active ones.
async fn call_panicking<S, B>(service: S, snapshotter: &Snapshotter) -> (Vec<String>, f64)
where
    S: tower::Service<Request<String>, Response = Response<B>, Future: Send + 'static> + Send + 'static,
{
    let call = service.oneshot(Request::new(String::new()));
    let ended = tokio::spawn(async move { drop(call.await) }).await;
    assert!(ended.unwrap_err().is_panic());
    let all = snapshotter.snapshot().into_vec();
    let counted = all
        .iter()
        .map(|(key, ..)| key.key())
        .filter(|key| key.name() == "http_server_requests_total")
        .map(|key| {
            let values: Vec<&str> = key.labels().map(metrics::Label::value).collect();
            values.join(" ")
        })
        .collect();
    let active = all
        .iter()
        .filter(|(key, ..)| key.key().name() == "http_server_active_requests")
        .map(|(.., value)| match value {
            DebugValue::Gauge(value) => value.0,
            other => panic!("not a gauge: {other:?}"),
        })
        .sum();
    (counted, active)
}

#[tokio::test]
async fn a_panic_of_is_end_stream_ends_the_exchange() {
    let (layer, snapshotter) = layer();
    let service = layer.layer(service_fn(|_: Request<String>| async {
        Ok::<_, std::convert::Infallible>(Response::new(PanickingBody))
    }));
    let (counted, active) = call_panicking(service, &snapshotter).await;
    assert_eq!((counted.len(), active), (1, 0.0), "{counted:?}");
}

/// A recorder that panics when the first histogram is registered.
struct PanickingRecorder {
    inner: DebuggingRecorder,
    has_panicked: std::sync::atomic::AtomicBool,
}

impl metrics::Recorder for PanickingRecorder {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, metadata: &metrics::Metadata<'_>) -> metrics::Counter {
        self.inner.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &metrics::Key, metadata: &metrics::Metadata<'_>) -> metrics::Gauge {
        self.inner.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &metrics::Key, metadata: &metrics::Metadata<'_>) -> metrics::Histogram {
        assert!(
            self.has_panicked.swap(true, std::sync::atomic::Ordering::SeqCst),
            "on purpose"
        );
        self.inner.register_histogram(key, metadata)
    }
}

#[tokio::test]
async fn a_panic_of_the_recorder_ends_the_exchange() {
    let recorder: &'static PanickingRecorder = Box::leak(Box::new(PanickingRecorder {
        inner: DebuggingRecorder::new(),
        has_panicked: false.into(),
    }));
    let snapshotter = recorder.inner.snapshotter();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(service_fn(|_: Request<String>| async {
            Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
        }));
    let (counted, active) = call_panicking(service, &snapshotter).await;
    assert_eq!((counted.len(), active), (1, 0.0), "{counted:?}");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn routes_of_dropped_routers_are_not_mistaken_for_later_ones() {
    use axum::{Router, routing::get};
    let (layer, snapshotter) = layer();
    let mut expected = std::collections::BTreeMap::new();
    for round in 0..3000_usize {
        let name = format!("/r{:02}/{{id}}", (round * 7) % 23);
        let inner = Router::new().route(&name, get(|| async { "x" }));
        let (router, full) = match round % 4 {
            0 => (inner.layer(layer.clone()), name.clone()),
            1 => (
                Router::new().nest("/n", inner.layer(layer.clone())),
                format!("/n{name}"),
            ),
            2 => (
                Router::new().nest_service("/s", inner.layer(layer.clone())),
                format!("/s{name}"),
            ),
            _ => (
                Router::new()
                    .nest_service("/t", inner.layer(layer.clone()))
                    .layer(layer.clone()),
                format!("/t{name}"),
            ),
        };
        let uri = full.replace("{id}", &round.to_string());
        let method = ["GET", "HEAD"][round % 2];
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(axum::body::Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        drop(
            http_body_util::BodyExt::collect(response.into_body())
                .await
                .unwrap(),
        );
        *expected.entry(format!("{method} {full}")).or_insert(0_u64) += 1;
    }
    let counted: std::collections::BTreeMap<String, u64> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "http_server_requests_total")
        .map(|(key, _, _, value)| {
            let find = |name| {
                key.key()
                    .labels()
                    .find(|label| label.key() == name)
                    .unwrap()
                    .value()
                    .to_owned()
            };
            let DebugValue::Counter(count) = value else {
                panic!("not a counter")
            };
            (
                format!("{} {}", find("http_request_method"), find("http_route")),
                count,
            )
        })
        .collect();
    assert_eq!(counted, expected);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_route_without_a_wildcard_proves_its_grpc_method() {
    use axum::{Router, body::Body, routing::post};

    let (layer, snapshotter) = layer();
    let refuse = || async {
        let head = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "16");
        head.body(Body::empty()).unwrap()
    };
    let router: Router = Router::new()
        .route("/pkg.Exact/Get", post(refuse))
        .route("/pkg.Wild/{*rest}", post(refuse))
        .layer(layer);
    for path in ["/pkg.Exact/Get", "/pkg.Wild/Get"] {
        let request = Request::post(path)
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc");
        router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
    }
    assert_eq!(
        series(&snapshotter, "rpc_server_requests_total"),
        ["other UNAUTHENTICATED", "pkg.Exact/Get UNAUTHENTICATED"]
    );
}
