//! What a metrics layer records otherwise than usual, where a profile needs it.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

use std::sync::{Arc, Mutex};

use campanile_http::Outcome;
use campanile_server::{MetricsLayer, Route};
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
    let layer = layer.with_status_labels();
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
        .with_status_labels()
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
        ask(&layer.with_view_name_as_route(), Ok(answer(200, view))).await;
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
    let layer = layer.with_view_name_as_route();
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
    let layer = layer.with_view_name_as_route().with_route_limit(2);
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
    let labelled = usual.clone().with_status_labels();
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
    let layer = layer.with_view_name_as_route().with_skipped_route("/users/{id}");
    ask(&layer, Ok::<_, &str>(answer(200, Some(b"users.show")))).await;
    assert!(seen.snapshot().into_vec().is_empty());
}
