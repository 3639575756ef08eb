//! The metrics layer: forwarding, label limits, nesting, and the phase of the request being served.

use std::{
    convert::Infallible,
    future::{Future, Ready, pending, ready},
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use crate::support::TestRecorder;
use bytes::Bytes;
use campanile_core::{
    RequestContext, RequestId,
    clock::FastInstant,
    in_flight::{self, InFlightEntry, RequestPhase},
};
use campanile_outbound::{MetricsLayer, stack};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

fn get(url: &str) -> Request<()> {
    Request::get(url).body(()).unwrap()
}

fn ok(body: &'static str) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::from(body))))
}

#[tokio::test]
async fn the_response_and_its_exact_length_are_forwarded() {
    let recorder = TestRecorder::new();
    let service = stack()
        .with_metrics(MetricsLayer::new().with_recorder(recorder))
        .layer(service_fn(|_: Request<()>| ok("hello")));
    let response = service.oneshot(get("http://stock/")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert!(!response.body().is_end_stream());
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(
        recorder.sum("http_client_requests_total"),
        1.0,
        "at the last byte, not when the body is dropped"
    );
    drop(body);
    assert_eq!(recorder.sum("http_client_requests_total"), 1.0);
}

#[derive(Debug, PartialEq)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

#[tokio::test]
async fn the_error_is_forwarded() {
    let service = stack().layer(service_fn(|_: Request<()>| {
        ready(Err::<Response<Empty<Bytes>>, _>(Refused))
    }));
    assert_eq!(service.oneshot(get("http://stock/")).await.unwrap_err(), Refused);
}

#[tokio::test]
async fn readiness_is_forwarded() {
    let (service, mut handle) =
        tower_test::mock::spawn_layer::<Request<()>, Response<Empty<Bytes>>, _>(BoxedErrors);
    let mut service = service;
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
}

/// A metrics layer for the boxed errors of the mock.
struct BoxedErrors;

impl<S> Layer<S> for BoxedErrors {
    type Service =
        <MetricsLayer<campanile_outbound::metrics::ErrorSourceFn<tower::BoxError>> as Layer<S>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        MetricsLayer::new()
            .with_error_source(|error: &tower::BoxError| Some(&**error as _))
            .layer(inner)
    }
}

#[tokio::test]
async fn responses_without_a_body_end_at_their_head() {
    for (method, status) in [
        (Method::HEAD, 200),
        (Method::GET, 204),
        (Method::GET, 304),
        (Method::GET, 101),
    ] {
        let recorder = TestRecorder::new();
        let service = MetricsLayer::new()
            .with_recorder(recorder)
            .layer(service_fn(move |_: Request<()>| {
                let body = Full::<Bytes>::from("never read");
                ready(Ok::<_, Infallible>(
                    Response::builder().status(status).body(body).unwrap(),
                ))
            }));
        let request = Request::builder()
            .method(method.clone())
            .uri("http://stock/")
            .body(())
            .unwrap();
        let response = service.oneshot(request).await.unwrap();
        recorder.assert_series(&[
            "http_client_active_requests{server_address=stock} 0",
            "http_client_requests_total{server_address=stock,url_template=unknown} 1",
            &format!(
                "http_client_request_duration_seconds{{http_request_method={method},\
                 http_response_status_code={status},server_address=stock,url_template=unknown}} 1"
            ),
        ]);
        drop(response);
        assert_eq!(recorder.sum("http_client_requests_total"), 1.0);
    }
}

#[tokio::test]
async fn an_unknown_method_is_recorded_as_other() {
    let recorder = TestRecorder::new();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(service_fn(|_: Request<()>| ok("")));
    let request = Request::builder()
        .method("PURGE")
        .uri("http://stock/")
        .body(())
        .unwrap();
    drop(service.oneshot(request).await.unwrap());
    assert_eq!(
        recorder.count("http_client_request_duration_seconds{http_request_method=_OTHER,"),
        1
    );
}

#[tokio::test]
async fn each_method_and_status_has_a_histogram() {
    let recorder = TestRecorder::new();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(service_fn(|request: Request<()>| {
            let status: u16 = request.uri().path()[1..].parse().unwrap();
            ready(Ok::<_, Infallible>(
                Response::builder()
                    .status(status)
                    .body(Empty::<Bytes>::new())
                    .unwrap(),
            ))
        }));
    for _ in 0..2 {
        for method in ["GET", "POST", "PUT"] {
            for status in [200, 201, 404, 429, 999] {
                let uri = format!("http://stock/{status}");
                let request = Request::builder().method(method).uri(uri).body(()).unwrap();
                drop(service.clone().oneshot(request).await.unwrap());
            }
        }
    }
    let lines: Vec<_> = recorder.lines();
    let durations: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("http_client_request_duration_seconds"))
        .collect();
    assert_eq!(durations.len(), 15);
    assert!(
        durations.iter().all(|line| line.ends_with(" 2")),
        "{durations:#?}"
    );
}

#[tokio::test]
async fn nested_layers_count_a_call_once() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new().with_recorder(recorder);
    let service = layer.layer(layer.layer(service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        ok("hello").await
    })));
    let response = service.oneshot(get("http://stock/a")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(recorder.sum("http_client_requests_total"), 1.0);
    assert_eq!(recorder.sum("http_client_active_requests"), 0.0);
}

#[tokio::test]
async fn a_call_made_inside_a_call_is_counted() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new().with_recorder(recorder);
    let token = layer.layer(service_fn(|_: Request<()>| ok("token")));
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let token = token.clone();
        async move {
            drop(token.oneshot(get("http://auth/token")).await.unwrap());
            ok("hello").await
        }
    }));
    drop(service.oneshot(get("http://stock/a")).await.unwrap());
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=auth"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=stock"),
        1.0
    );
}

#[tokio::test]
async fn view_names_are_bounded() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new().with_recorder(recorder);
    let service = layer.layer(service_fn(|request: Request<()>| {
        let view = &request.uri().path()[1..];
        ready(Ok::<_, Infallible>(
            Response::builder()
                .header("x-view-name", view)
                .body(Empty::<Bytes>::new())
                .unwrap(),
        ))
    }));
    for n in 0..100_000 {
        drop(
            service
                .clone()
                .oneshot(get(&format!("http://evil/{n}")))
                .await
                .unwrap(),
        );
    }
    assert_eq!(recorder.count("http_client_requests_total"), 501);
    assert_eq!(recorder.sum("http_client_requests_total"), 100_000.0);
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=evil,url_template=other}"),
        99_500.0
    );
    assert_eq!(recorder.sum("campanile_series_folded_total"), 99_500.0);
    assert_eq!(recorder.count("http_client_request_duration_seconds"), 501);
}

#[tokio::test]
async fn hosts_are_bounded_and_folded_once_per_call() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new()
        .with_recorder(recorder)
        .with_host_limit(3)
        .with_view_limit(0);
    let service = layer.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(
            Response::builder()
                .header("x-view-name", "v")
                .body(Empty::<Bytes>::new())
                .unwrap(),
        ))
    }));
    for n in 0..10 {
        drop(
            service
                .clone()
                .oneshot(get(&format!("http://host-{n}/")))
                .await
                .unwrap(),
        );
    }
    assert_eq!(recorder.count("http_client_requests_total"), 4);
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=other,url_template=other}"),
        7.0
    );
    assert_eq!(recorder.sum("campanile_series_folded_total"), 10.0);
    assert_eq!(recorder.sum("http_client_active_requests"), 0.0);
}

#[tokio::test]
async fn an_invalid_view_name_is_ignored() {
    for (view, counted) in [
        ("views.get:item/{id}*-_", "views.get:item/{id}*-_"),
        (&"v".repeat(64), &"v".repeat(64)),
        (&"v".repeat(65), "unknown"),
        ("", "unknown"),
        ("a b", "unknown"),
        ("a|c", "unknown"),
        ("\u{e9}", "unknown"),
    ] {
        let recorder = TestRecorder::new();
        let view = http::HeaderValue::from_bytes(view.as_bytes()).unwrap();
        let service = MetricsLayer::new()
            .with_recorder(recorder)
            .layer(service_fn(move |_: Request<()>| {
                let mut response = Response::new(Empty::<Bytes>::new());
                response.headers_mut().insert("x-view-name", view.clone());
                ready(Ok::<_, Infallible>(response))
            }));
        drop(service.oneshot(get("http://stock/")).await.unwrap());
        let line = format!("http_client_requests_total{{server_address=stock,url_template={counted}}}");
        assert_eq!(recorder.sum(&line), 1.0, "{:#?}", recorder.lines());
    }
}

#[tokio::test]
async fn view_names_of_other_hosts_are_ignored() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new()
        .with_recorder(recorder)
        .with_view_names_of(["trusted"]);
    let service = layer.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(
            Response::builder()
                .header("x-view-name", "v")
                .body(Empty::<Bytes>::new())
                .unwrap(),
        ))
    }));
    drop(service.clone().oneshot(get("http://trusted/")).await.unwrap());
    drop(service.oneshot(get("http://untrusted/")).await.unwrap());
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=trusted,url_template=v}"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=untrusted,url_template=unknown}"),
        1.0
    );
}

#[tokio::test]
async fn a_relative_url_has_the_default_host() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new().with_recorder(recorder);
    let service = service_fn(|_: Request<()>| ok(""));
    drop(layer.layer(service).oneshot(get("/x")).await.unwrap());
    drop(
        layer
            .clone()
            .with_default_host("stock")
            .layer(service)
            .oneshot(get("/x"))
            .await
            .unwrap(),
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=unknown"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=stock"),
        1.0
    );
}

/// A future that records the phase of a request in flight at each poll, and completes at the second.
struct RecordPhase {
    id: String,
    polled: bool,
}

static PHASES: Mutex<Vec<(RequestPhase, Option<&'static str>)>> = Mutex::new(Vec::new());

fn phase(id: &str) -> (RequestPhase, Option<&'static str>) {
    let row = in_flight::snapshot()
        .into_iter()
        .find(|row| row.id == id)
        .expect("the request is in flight");
    (row.phase, row.host)
}

impl Future for RecordPhase {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        PHASES.lock().unwrap().push(phase(&self.id));
        if std::mem::replace(&mut self.polled, true) {
            return Poll::Ready(Ok(Response::new(Empty::new())));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[tokio::test]
async fn the_request_being_served_is_in_the_calling_phase() {
    let id = RequestId::generate();
    let entry = InFlightEntry::take(&id, 0, FastInstant::now()).unwrap();
    let context = RequestContext::new(id.clone()).with_entry(entry.reference());
    let name = id.as_str().to_owned();
    let service = stack().layer(service_fn(move |_: Request<()>| RecordPhase {
        id: name.clone(),
        polled: false,
    }));
    assert_eq!(phase(id.as_str()), (RequestPhase::App, None));
    let response = context
        .clone()
        .scope(service.oneshot(get("http://Stock:80/")))
        .await
        .unwrap();
    assert_eq!(phase(id.as_str()), (RequestPhase::App, None));
    assert_eq!(
        *PHASES.lock().unwrap(),
        [(RequestPhase::Calling, Some("stock")); 2]
    );
    drop(response);
    // A dropped call ends the phase.
    let hangs = stack().layer(service_fn(|_: Request<()>| {
        pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    }));
    let mut hangs = hangs;
    let call = context.sync_scope(|| hangs.call(get("http://stock/")));
    assert_eq!(phase(id.as_str()), (RequestPhase::Calling, Some("stock")));
    drop(call);
    assert_eq!(phase(id.as_str()), (RequestPhase::App, None));
}

#[tokio::test]
async fn a_panicked_call_ends() {
    let recorder = TestRecorder::new();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(service_fn(|request: Request<()>| {
            assert!(request.uri().path() != "/at-once", "on purpose");
            async { panic!("on purpose") as Result<Response<Empty<Bytes>>, Infallible> }
        }));
    for path in ["at-once", "later"] {
        let call = service.clone().oneshot(get(&format!("http://stock/{path}")));
        assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    }
    assert_eq!(recorder.sum("http_client_active_requests"), 0.0);
    assert_eq!(recorder.sum("http_client_requests_total"), 2.0);
}

#[tokio::test]
async fn layers_made_separately_for_one_recorder_count_a_call_once() {
    let recorder = TestRecorder::new();
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(String::from("ok"))) });
    let inner = MetricsLayer::new().with_recorder(recorder).layer(inner);
    let service = MetricsLayer::new().with_recorder(recorder).layer(inner);
    let request = Request::get("http://stock/items/7").body(()).unwrap();
    drop(service.oneshot(request).await.unwrap());
    assert_eq!(
        recorder.sum("http_client_requests_total"),
        1.0,
        "{:?}",
        recorder.lines()
    );
}
