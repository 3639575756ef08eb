//! Deadlines, on the paused clock.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

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

/// Asks a handler that never answers; returns the answer and the time that it took, to the nearest second.
async fn hanging(layer: DeadlineLayer, request: Request<String>) -> (Response<()>, u64) {
    let service = layer.layer(service_fn(|_: Request<String>| {
        std::future::pending::<Result<Response<String>, Infallible>>()
    }));
    let began = Instant::now();
    let answer = service.oneshot(request).await.unwrap();
    (answer.map(drop), began.elapsed().as_secs_f64().round() as u64)
}

fn request() -> Request<String> {
    Request::new(String::new())
}

/// A request whose deadline lies so far ahead on the wall's clock, which does not pause.
fn due_in(time: Duration) -> Request<String> {
    Request::builder()
        .header("x-request-deadline", Deadline::after(time).to_header())
        .body(String::new())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn timeout_answers_504_and_says_why() {
    let (answer, seconds) = hanging(DeadlineLayer::new().with_timeout(5 * SECOND), request()).await;
    assert_eq!((answer.status(), seconds), (StatusCode::GATEWAY_TIMEOUT, 5));
    assert_eq!(answer.extensions().get(), Some(&Outcome::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn nearer_of_the_two_deadlines_counts() {
    let layer = DeadlineLayer::new().with_timeout(1000 * SECOND);
    assert_eq!(hanging(layer, due_in(5000 * SECOND)).await.1, 1000);
    // Up to a minute may pass between the header and the call, on the slowest of machines.
    let seconds = hanging(layer, due_in(500 * SECOND)).await.1;
    assert!((440..=500).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn deadline_of_a_layer_further_out_is_kept_where_it_is_nearer() {
    let inner = DeadlineLayer::new().with_timeout(1000 * SECOND);
    let context = RequestContext::new(RequestId::generate()).with_deadline(Deadline::after(500 * SECOND));
    let seconds = context.scope(hanging(inner, request())).await.1;
    assert!((440..=500).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn incoming_deadline_is_ignored_where_nobody_is_trusted() {
    let layer = DeadlineLayer::new()
        .with_incoming_deadlines(false)
        .with_timeout(7 * SECOND);
    assert_eq!(hanging(layer, due_in(Duration::ZERO)).await.1, 7);
}

#[tokio::test(start_paused = true)]
async fn grpc_call_is_answered_in_its_own_words() {
    let call = Request::post("/pkg.Greeter/Hello")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "900S")
        .body(String::new())
        .unwrap();
    let (answer, seconds) = hanging(DeadlineLayer::new(), call).await;
    assert!((840..=900).contains(&seconds), "{seconds}");
    assert_eq!(
        (answer.status(), &answer.headers()["grpc-status"]),
        (StatusCode::OK, &"4".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn deadline_that_has_passed_calls_nobody() {
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let service = DeadlineLayer::new().layer(service_fn(move |_: Request<String>| {
        called.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    }));
    let answer = service.oneshot(due_in(Duration::ZERO)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn context_carries_the_deadline() {
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
async fn slow_heads_and_unreadable_deadlines_are_counted() {
    let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let snapshotter = recorder.snapshotter();
    let base = DeadlineLayer::new().with_recorder(recorder);
    let answers =
        || service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    // Every answer takes longer than nothing, and none takes an hour.
    for limit in [Duration::ZERO, Duration::ZERO, 3600 * SECOND] {
        base.with_soft_limit(limit)
            .layer(answers())
            .oneshot(request())
            .await
            .unwrap();
    }
    let unreadable = Request::builder()
        .header("x-request-deadline", "tomorrow")
        .body(String::new())
        .unwrap();
    let answer = base.layer(answers()).oneshot(unreadable).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);

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
