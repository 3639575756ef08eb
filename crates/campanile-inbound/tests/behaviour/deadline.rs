//! Deadlines, on the paused clock.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_core::{Deadline, Outcome, RequestContext, RequestId};
use campanile_inbound::{DeadlineLayer, RequestIdLayer};
use http::{Request, Response, StatusCode};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Calls a handler that never responds. Returns the response of the layer and the time to it, rounded to seconds.
async fn call_hanging(layer: DeadlineLayer, request: Request<String>) -> (Response<()>, u64) {
    let service = layer.layer(service_fn(|_: Request<String>| {
        std::future::pending::<Result<Response<String>, Infallible>>()
    }));
    let started = Instant::now();
    let response = service.oneshot(request).await.unwrap();
    (response.map(drop), started.elapsed().as_secs_f64().round() as u64)
}

fn request() -> Request<String> {
    Request::new(String::new())
}

/// Makes a request with a deadline. The wall clock does not pause.
fn due_in(time: Duration) -> Request<String> {
    Request::builder()
        .header("x-request-deadline", Deadline::after(time).to_header())
        .body(String::new())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn timeout_responds_504_with_the_outcome() {
    let (response, seconds) = call_hanging(DeadlineLayer::new().with_timeout(5 * SECOND), request()).await;
    assert_eq!((response.status(), seconds), (StatusCode::GATEWAY_TIMEOUT, 5));
    assert_eq!(response.extensions().get(), Some(&Outcome::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn earlier_deadline_applies() {
    let layer = DeadlineLayer::new().with_timeout(1000 * SECOND);
    assert_eq!(call_hanging(layer, due_in(5000 * SECOND)).await.1, 1000);
    // Up to a minute may pass between the header and the call, on the slowest of machines.
    let seconds = call_hanging(layer, due_in(500 * SECOND)).await.1;
    assert!((440..=500).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn earlier_deadline_of_an_outer_layer_applies() {
    let inner = DeadlineLayer::new().with_timeout(1000 * SECOND);
    let context = RequestContext::new(RequestId::generate()).with_deadline(Deadline::after(500 * SECOND));
    let seconds = context.scope(call_hanging(inner, request())).await.1;
    assert!((440..=500).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn incoming_deadline_is_ignored_if_disabled() {
    let layer = DeadlineLayer::new()
        .with_incoming_deadlines(false)
        .with_timeout(7 * SECOND);
    assert_eq!(call_hanging(layer, due_in(Duration::ZERO)).await.1, 7);
}

#[tokio::test(start_paused = true)]
async fn grpc_call_ends_with_deadline_exceeded() {
    let call = Request::post("/pkg.Greeter/Hello")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "900S")
        .body(String::new())
        .unwrap();
    let (response, seconds) = call_hanging(DeadlineLayer::new(), call).await;
    assert!((840..=900).contains(&seconds), "{seconds}");
    assert_eq!(
        (response.status(), &response.headers()["grpc-status"]),
        (StatusCode::OK, &"4".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn service_is_not_called_after_the_deadline() {
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let service = DeadlineLayer::new().layer(service_fn(move |_: Request<String>| {
        called.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    }));
    let response = service.oneshot(due_in(Duration::ZERO)).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn context_has_the_deadline() {
    let layers = (
        RequestIdLayer::new().with_extension(true),
        DeadlineLayer::new().with_timeout(5 * SECOND),
    );
    let service = layers.layer(service_fn(|request: Request<String>| async move {
        tokio::task::yield_now().await;
        let current = RequestContext::current().unwrap();
        let extension = request.extensions().get::<RequestContext>().unwrap();
        assert_eq!(current.deadline(), extension.deadline());
        let left = current.deadline().unwrap().remaining();
        assert!(left > Duration::ZERO && left <= 5 * SECOND, "{left:?}");
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    service.oneshot(request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slow_heads_and_invalid_deadlines_are_counted() {
    let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let snapshotter = recorder.snapshotter();
    let base = DeadlineLayer::new().with_recorder(recorder);
    let responds =
        || service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    // Each response takes longer than zero and less than an hour.
    for limit in [Duration::ZERO, Duration::ZERO, 3600 * SECOND] {
        base.with_soft_limit(limit)
            .layer(responds())
            .oneshot(request())
            .await
            .unwrap();
    }
    let invalid = Request::builder()
        .header("x-request-deadline", "tomorrow")
        .body(String::new())
        .unwrap();
    let response = base.layer(responds()).oneshot(invalid).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let counted: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| (key.key().name().to_owned(), value))
        .collect();
    let count = |name: &str| {
        counted
            .iter()
            .find(|(counted, _)| counted == name)
            .map(|(_, value)| value)
    };
    assert_eq!(
        count("http_server_soft_timeouts_total"),
        Some(&DebugValue::Counter(2))
    );
    assert_eq!(
        count("http_server_deadlines_rejected_total"),
        Some(&DebugValue::Counter(1))
    );
}
