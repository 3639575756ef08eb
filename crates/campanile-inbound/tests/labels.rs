//! What a metrics layer records otherwise than usual, where a profile needs it.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

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

const AT_THE_END: [&str; 3] = [
    "http_server_response_duration_seconds",
    "http_server_request_body_size_bytes",
    "http_server_response_body_size_bytes",
];

/// A layer that records to somebody whom one can ask.
fn layer() -> (MetricsLayer, Snapshotter) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    (
        MetricsLayer::new().with_recorder(recorder),
        recorder.snapshotter(),
    )
}

/// Asks a service that answers so, and reads the answer to its end.
async fn ask(layer: &MetricsLayer, answer: Result<Response<String>, &'static str>) {
    let answer = Arc::new(Mutex::new(Some(answer)));
    let service = layer.layer(service_fn(move |_: Request<String>| {
        let answer = answer.lock().unwrap().take().unwrap();
        async move { answer }
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

fn answer(status: u16, view: Option<&[u8]>) -> Response<String> {
    let mut response = Response::builder().status(status);
    if let Some(view) = view {
        response = response.header("x-view-name", view);
    }
    response.body("answer".to_owned()).unwrap()
}

/// The series of a metric, each as its labels' values in the order of their names.
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
async fn status_and_outcome_are_labels_of_what_ends_where_asked_for() {
    let (layer, seen) = layer();
    let layer = layer.with_status_labels(true);
    ask(&layer, Ok(answer(200, None))).await;
    ask(&layer, Ok(answer(404, None))).await;
    ask(&layer, Ok(answer(504, None))).await;
    let mut timed_out = answer(504, None);
    timed_out.extensions_mut().insert(Outcome::TimedOut);
    ask(&layer, Ok(timed_out)).await;
    ask(&layer, Err("no answer")).await;
    let with_head = [
        "GET 200 /users/{id} completed",
        "GET 404 /users/{id} completed",
        "GET 504 /users/{id} completed",
        "GET 504 /users/{id} timed_out",
    ]
    .map(str::to_owned);
    let without = "GET  /users/{id} failed".to_owned();
    for name in AT_THE_END {
        let mut expected = with_head.to_vec();
        // An answer that never came has no size.
        if name != "http_server_response_body_size_bytes" {
            expected.insert(0, without.clone());
        }
        assert_eq!(series(&seen, name), expected, "{name}");
    }
    // The others stay as they are.
    let requests = "http_server_requests_total";
    assert_eq!(series(&seen, requests).len(), 5);
    assert_eq!(series(&seen, "http_server_active_requests"), ["GET /users/{id}"]);
}

#[tokio::test]
async fn without_being_asked_for_they_are_none() {
    let (layer, seen) = layer();
    ask(&layer, Ok(answer(200, None))).await;
    ask(&layer, Err("no answer")).await;
    for name in AT_THE_END {
        assert_eq!(series(&seen, name), ["GET /users/{id}"], "{name}");
    }
}

#[tokio::test]
async fn status_labels_leave_off_what_is_off() {
    let (layer, seen) = layer();
    let layer = layer
        .with_status_labels(true)
        .with_body_sizes(false)
        .with_response_duration(false);
    ask(&layer, Ok(answer(200, None))).await;
    for name in AT_THE_END {
        assert_eq!(series(&seen, name), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn route_is_the_view_of_the_answer_and_nothing_else() {
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
        let (layer, seen) = layer();
        ask(&layer.with_view_name_as_route(true), Ok(answer(200, view))).await;
        let requests = series(&seen, "http_server_requests_total");
        assert_eq!(requests, [format!("GET 200 {route} completed")], "{view:?}");
        for name in AT_THE_END {
            assert_eq!(series(&seen, name), [format!("GET {route}")], "{name}");
        }
    }
}

#[tokio::test]
async fn requests_move_to_their_view_and_none_stays_in_flight() {
    let (layer, seen) = layer();
    let layer = layer.with_view_name_as_route(true);
    ask(&layer, Ok(answer(200, Some(b"users.show")))).await;
    let gauges = seen.snapshot().into_vec();
    let mut values: Vec<DebugValue> = gauges
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "http_server_active_requests")
        .map(|(.., value)| value)
        .collect();
    values.dedup();
    assert_eq!(values, [DebugValue::Gauge(0.0.into())]);
}

#[tokio::test]
async fn views_are_bounded_as_routes_are() {
    let (layer, seen) = layer();
    let layer = layer.with_view_name_as_route(true).with_route_limit(2);
    for view in ["a", "b", "c", "d", "a"] {
        ask(&layer, Ok(answer(200, Some(view.as_bytes())))).await;
    }
    let requests = series(&seen, "http_server_requests_total");
    assert_eq!(
        requests,
        [
            "GET 200 a completed",
            "GET 200 b completed",
            "GET 200 other completed"
        ]
    );
    assert_eq!(series(&seen, "campanile_series_folded_total"), [""]);
}

#[tokio::test]
async fn layer_with_the_labels_and_layer_without_keep_apart() {
    let (usual, seen) = layer();
    let labelled = usual.clone().with_status_labels(true);
    ask(&usual, Ok(answer(200, None))).await;
    ask(&labelled, Ok(answer(200, None))).await;
    assert_eq!(
        series(&seen, "http_server_response_duration_seconds"),
        ["GET /users/{id}", "GET 200 /users/{id} completed"]
    );
}

#[tokio::test]
async fn skipped_route_is_skipped_also_where_views_are_routes() {
    let (layer, seen) = layer();
    let layer = layer
        .with_view_name_as_route(true)
        .with_skipped_route("/users/{id}");
    ask(&layer, Ok::<_, &str>(answer(200, Some(b"users.show")))).await;
    assert!(seen.snapshot().into_vec().is_empty());
}

/// A body that panics when it is asked whether it is at its end.
struct Unaskable;

impl Body for Unaskable {
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

/// Asks for something that panics; returns the requests that were counted, and those in flight.
async fn panicking<S, B>(service: S, seen: &Snapshotter) -> (Vec<String>, f64)
where
    S: tower::Service<Request<String>, Response = Response<B>, Future: Send + 'static> + Send + 'static,
{
    let call = service.oneshot(Request::new(String::new()));
    let ended = tokio::spawn(async move { drop(call.await) }).await;
    assert!(ended.unwrap_err().is_panic());
    let all = seen.snapshot().into_vec();
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
            other => panic!("no gauge: {other:?}"),
        })
        .sum();
    (counted, active)
}

#[tokio::test]
async fn a_panic_of_the_body_at_its_head_ends_the_exchange() {
    let (layer, seen) = layer();
    let service = layer.layer(service_fn(|_: Request<String>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Unaskable))
    }));
    let (counted, active) = panicking(service, &seen).await;
    assert_eq!((counted.len(), active), (1, 0.0), "{counted:?}");
}

/// A recorder that panics when a histogram is made for the first time.
struct Startled {
    inner: DebuggingRecorder,
    calm: std::sync::atomic::AtomicBool,
}

impl metrics::Recorder for Startled {
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
            self.calm.swap(true, std::sync::atomic::Ordering::SeqCst),
            "on purpose"
        );
        self.inner.register_histogram(key, metadata)
    }
}

#[tokio::test]
async fn a_panic_of_the_recorder_at_the_head_ends_the_exchange() {
    let recorder: &'static Startled = Box::leak(Box::new(Startled {
        inner: DebuggingRecorder::new(),
        calm: false.into(),
    }));
    let seen = recorder.inner.snapshotter();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(service_fn(|_: Request<String>| async {
            Ok::<_, std::convert::Infallible>(Response::new(String::from("answer")))
        }));
    let (counted, active) = panicking(service, &seen).await;
    assert_eq!((counted.len(), active), (1, 0.0), "{counted:?}");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn routers_that_come_and_go_never_lend_each_other_their_routes() {
    use axum::{Router, routing::get};
    let (layer, seen) = layer();
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
        let answer = router.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop(
            http_body_util::BodyExt::collect(answer.into_body())
                .await
                .unwrap(),
        );
        *expected.entry(format!("{method} {full}")).or_insert(0_u64) += 1;
    }
    let counted: std::collections::BTreeMap<String, u64> = seen
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
                panic!("no counter")
            };
            (
                format!("{} {}", find("http_request_method"), find("http_route")),
                count,
            )
        })
        .collect();
    assert_eq!(counted, expected);
}
