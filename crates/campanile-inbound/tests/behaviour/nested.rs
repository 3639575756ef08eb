//! In-process calls: a service with layers of its own, called by a handler or by work that carries a request's context.

use std::{convert::Infallible, sync::Arc, time::Duration};

use campanile_core::{Deadline, InRequestExt, RequestContext, RequestId};
use campanile_inbound::{DeadlineLayer, MetricsLayer, RequestIdLayer, stack};
use http::{Request, Response, StatusCode};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request<String> {
    Request::new(String::new())
}

async fn ok(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

fn current_deadline() -> Option<Deadline> {
    RequestContext::with_current(|current| current.and_then(RequestContext::deadline))
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_an_in_process_call_does_not_outlive_the_call() {
    let inner = DeadlineLayer::new().with_timeout(SECOND).layer(service_fn(ok));
    let outer = stack().with_deadline(DeadlineLayer::new().with_timeout(60 * SECOND));
    let service = outer.layer(service_fn(move |_: Request<String>| async move {
        let before = current_deadline();
        assert!(before.is_some());
        let response = inner.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        drop(response);
        assert_eq!(current_deadline(), before);
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    // The stack catches panics.
    assert_eq!(service.oneshot(request()).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn work_that_carries_a_context_can_call_a_service_with_a_timeout_again_and_again() {
    let mut service = DeadlineLayer::new().with_timeout(SECOND).layer(service_fn(ok));
    let context = RequestContext::new(RequestId::generate());
    let work = async move {
        for _ in 0..2 {
            // The second call must not inherit the deadline of the first. It is read on the system's clock.
            let response = service.ready().await.unwrap().call(request()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            drop(response);
            assert_eq!(current_deadline(), None);
        }
    };
    context.sync_scope(|| work.in_current_request()).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_current_in_the_handler_and_in_the_body() {
    let service = stack()
        .with_deadline(DeadlineLayer::new().with_timeout(SECOND))
        .layer(service_fn(|_: Request<String>| async {
            assert!(current_deadline().is_some());
            tokio::task::yield_now().await;
            assert!(current_deadline().is_some());
            let spawned = async { current_deadline().is_some() }.in_current_request();
            assert!(tokio::spawn(spawned).await.unwrap());
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
    assert_eq!(service.oneshot(request()).await.unwrap().status(), StatusCode::OK);
    assert!(RequestContext::current().is_none());
}

#[tokio::test]
async fn a_carried_context_does_not_keep_an_in_process_service_from_giving_its_own_id() {
    let inner = RequestIdLayer::new().layer(service_fn(|_: Request<String>| async {
        let id = RequestContext::current().map(|current| current.id().to_string());
        Ok::<_, Infallible>(Response::new(id.unwrap()))
    }));
    let service = RequestIdLayer::new().layer(service_fn(move |_: Request<String>| async move {
        let request = Request::builder()
            .header("x-request-id", "inner")
            .body(String::new())
            .unwrap();
        let response = tokio::spawn(inner.oneshot(request).in_current_request())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(response.headers()["x-request-id"], "inner");
        assert_eq!(RequestContext::current().unwrap().id().as_str(), "outer");
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let request = Request::builder()
        .header("x-request-id", "outer")
        .body(String::new())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "outer");
}

/// The sum of a histogram.
fn seconds(snapshot: metrics_util::debugging::Snapshot, name: &str) -> f64 {
    snapshot
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == name)
        .map(|(.., value)| match value {
            DebugValue::Histogram(values) => values.iter().map(|value| value.into_inner()).sum(),
            _ => 0.0,
        })
        .sum()
}

#[tokio::test]
async fn a_metrics_layer_measures_from_its_own_call() {
    let recorder = Arc::new(DebuggingRecorder::new());
    let snapshotter = recorder.snapshotter();
    let metrics = MetricsLayer::new().with_recorder(recorder);
    let inner = metrics.layer(service_fn(ok));
    let service = RequestIdLayer::new().layer(service_fn(move |request: Request<String>| {
        let inner = inner.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            inner.oneshot(request).await
        }
    }));
    service.oneshot(request()).await.unwrap();
    let seconds = seconds(snapshotter.snapshot(), "http_server_request_duration_seconds");
    assert!(seconds < 0.1, "{seconds}");
}

#[tokio::test]
async fn an_in_process_call_is_given_the_id_that_its_request_carries() {
    let inner = RequestIdLayer::new().layer(service_fn(|_: Request<String>| async {
        let id = RequestContext::current().map(|current| current.id().to_string());
        Ok::<_, Infallible>(Response::new(id.unwrap()))
    }));
    let service = RequestIdLayer::new().layer(service_fn(move |_: Request<String>| {
        let inner = inner;
        async move {
            let request = Request::builder()
                .header("x-request-id", "inner")
                .body(String::new())
                .unwrap();
            let response = inner.oneshot(request).await.unwrap();
            assert_eq!(response.headers().get("x-request-id").unwrap(), "inner");
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    }));
    service.oneshot(request()).await.unwrap();
}
