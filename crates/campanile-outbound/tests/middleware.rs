//! What every layer has to do, bounds of labels, nesting and seats.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod support;

use std::{
    convert::Infallible,
    future::{Future, Ready, pending, ready},
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile_core::{
    RequestContext, RequestId,
    clock::FastInstant,
    in_flight::{self, InFlightEntry, RequestPhase},
};
use campanile_outbound::{METRICS, MetricsLayer, stack};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use support::Board;
use tower::{Layer, Service, ServiceExt, service_fn};

fn get(url: &str) -> Request<()> {
    Request::get(url).body(()).unwrap()
}

fn ok(body: &'static str) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::from(body))))
}

#[tokio::test]
async fn the_answer_and_the_exact_length_of_its_body_pass() {
    let board = Board::new();
    let service = stack()
        .with_metrics(MetricsLayer::new().with_recorder(board))
        .layer(service_fn(|_: Request<()>| ok("hello")));
    let response = service.oneshot(get("http://stock/")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert!(!response.body().is_end_stream());
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(
        board.sum("http_client_requests_total"),
        1.0,
        "at its last byte, not when it is dropped"
    );
    drop(body);
    assert_eq!(board.sum("http_client_requests_total"), 1.0);
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
async fn the_error_passes_untouched() {
    let service = stack().layer(service_fn(|_: Request<()>| {
        ready(Err::<Response<Empty<Bytes>>, _>(Refused))
    }));
    assert_eq!(service.oneshot(get("http://stock/")).await.unwrap_err(), Refused);
}

#[tokio::test]
async fn not_ready_passes() {
    let (service, mut handle) =
        tower_test::mock::spawn_layer::<Request<()>, Response<Empty<Bytes>>, _>(BoxedErrors);
    let mut service = service;
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
}

/// The mock's errors are boxed.
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
async fn answers_without_a_body_end_at_their_head() {
    for (method, status) in [
        (Method::HEAD, 200),
        (Method::GET, 204),
        (Method::GET, 304),
        (Method::GET, 101),
    ] {
        let board = Board::new();
        let service = MetricsLayer::new()
            .with_recorder(board)
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
        board.shows(&[
            "http_client_active_requests{server_address=stock} 0",
            "http_client_requests_total{server_address=stock,url_template=unknown} 1",
            &format!(
                "http_client_request_duration_seconds{{http_request_method={method},\
                 http_response_status_code={status},server_address=stock,url_template=unknown}} 1"
            ),
        ]);
        drop(response);
        assert_eq!(board.sum("http_client_requests_total"), 1.0);
    }
}

#[tokio::test]
async fn an_unknown_method_is_other() {
    let board = Board::new();
    let service = MetricsLayer::new()
        .with_recorder(board)
        .layer(service_fn(|_: Request<()>| ok("")));
    let request = Request::builder()
        .method("PURGE")
        .uri("http://stock/")
        .body(())
        .unwrap();
    drop(service.oneshot(request).await.unwrap());
    assert_eq!(
        board.count("http_client_request_duration_seconds{http_request_method=_OTHER,"),
        1
    );
}

#[tokio::test]
async fn many_methods_and_statuses_have_a_histogram_each() {
    let board = Board::new();
    let service = MetricsLayer::new()
        .with_recorder(board)
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
    let lines: Vec<_> = board.lines();
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
async fn nested_twice_counts_once() {
    let board = Board::new();
    let layer = MetricsLayer::new().with_recorder(board);
    let service = layer.layer(layer.layer(service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        ok("hello").await
    })));
    let response = service.oneshot(get("http://stock/a")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(board.sum("http_client_requests_total"), 1.0);
    assert_eq!(board.sum("http_client_active_requests"), 0.0);
}

#[tokio::test]
async fn another_call_made_inside_a_call_counts_by_itself() {
    let board = Board::new();
    let layer = MetricsLayer::new().with_recorder(board);
    let token = layer.layer(service_fn(|_: Request<()>| ok("token")));
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let token = token.clone();
        async move {
            drop(token.oneshot(get("http://auth/token")).await.unwrap());
            ok("hello").await
        }
    }));
    drop(service.oneshot(get("http://stock/a")).await.unwrap());
    assert_eq!(board.sum("http_client_requests_total{server_address=auth"), 1.0);
    assert_eq!(board.sum("http_client_requests_total{server_address=stock"), 1.0);
}

#[tokio::test]
async fn hostile_view_names_are_bounded() {
    let board = Board::new();
    let layer = MetricsLayer::new().with_recorder(board);
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
    assert_eq!(board.count("http_client_requests_total"), 501);
    assert_eq!(board.sum("http_client_requests_total"), 100_000.0);
    assert_eq!(
        board.sum("http_client_requests_total{server_address=evil,url_template=other}"),
        99_500.0
    );
    assert_eq!(board.sum("campanile_series_folded_total"), 99_500.0);
    assert_eq!(board.count("http_client_request_duration_seconds"), 501);
}

#[tokio::test]
async fn hosts_are_bounded_and_folded_once_a_call() {
    let board = Board::new();
    let layer = MetricsLayer::new()
        .with_recorder(board)
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
    assert_eq!(board.count("http_client_requests_total"), 4);
    assert_eq!(
        board.sum("http_client_requests_total{server_address=other,url_template=other}"),
        7.0
    );
    assert_eq!(board.sum("campanile_series_folded_total"), 10.0);
    assert_eq!(board.sum("http_client_active_requests"), 0.0);
}

#[tokio::test]
async fn a_view_that_cannot_be_a_label_is_none() {
    for (view, counted) in [
        ("views.get:item/{id}*-_", "views.get:item/{id}*-_"),
        (&"v".repeat(64), &"v".repeat(64)),
        (&"v".repeat(65), "unknown"),
        ("", "unknown"),
        ("a b", "unknown"),
        ("a|c", "unknown"),
        ("\u{e9}", "unknown"),
    ] {
        let board = Board::new();
        let view = http::HeaderValue::from_bytes(view.as_bytes()).unwrap();
        let service = MetricsLayer::new()
            .with_recorder(board)
            .layer(service_fn(move |_: Request<()>| {
                let mut response = Response::new(Empty::<Bytes>::new());
                response.headers_mut().insert("x-view-name", view.clone());
                ready(Ok::<_, Infallible>(response))
            }));
        drop(service.oneshot(get("http://stock/")).await.unwrap());
        let line = format!("http_client_requests_total{{server_address=stock,url_template={counted}}}");
        assert_eq!(board.sum(&line), 1.0, "{:#?}", board.lines());
    }
}

#[tokio::test]
async fn views_are_believed_of_those_who_are_named() {
    let board = Board::new();
    let layer = MetricsLayer::new()
        .with_recorder(board)
        .with_view_names_of(["friend"]);
    let service = layer.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(
            Response::builder()
                .header("x-view-name", "v")
                .body(Empty::<Bytes>::new())
                .unwrap(),
        ))
    }));
    drop(service.clone().oneshot(get("http://friend/")).await.unwrap());
    drop(service.oneshot(get("http://stranger/")).await.unwrap());
    assert_eq!(
        board.sum("http_client_requests_total{server_address=friend,url_template=v}"),
        1.0
    );
    assert_eq!(
        board.sum("http_client_requests_total{server_address=stranger,url_template=unknown}"),
        1.0
    );
}

#[tokio::test]
async fn a_path_alone_has_the_default_host() {
    let board = Board::new();
    let layer = MetricsLayer::new().with_recorder(board);
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
        board.sum("http_client_requests_total{server_address=unknown"),
        1.0
    );
    assert_eq!(board.sum("http_client_requests_total{server_address=stock"), 1.0);
}

/// A future that shows what the request in flight is seen to do while it is polled, and never ends by itself.
struct Look(String, bool);

static SEEN: Mutex<Vec<(RequestPhase, Option<&'static str>)>> = Mutex::new(Vec::new());

fn phase(id: &str) -> (RequestPhase, Option<&'static str>) {
    let row = in_flight::snapshot()
        .into_iter()
        .find(|row| row.id == id)
        .expect("the request is in flight");
    (row.phase, row.host)
}

impl Future for Look {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        SEEN.lock().unwrap().push(phase(&self.0));
        if std::mem::replace(&mut self.1, true) {
            return Poll::Ready(Ok(Response::new(Empty::new())));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[tokio::test]
async fn the_request_being_served_is_seen_to_call() {
    let id = RequestId::generate();
    let seat = InFlightEntry::take(&id, 0, FastInstant::now()).unwrap();
    let context = RequestContext::new(id.clone()).with_entry(seat.reference());
    let name = id.as_str().to_owned();
    let service = stack().layer(service_fn(move |_: Request<()>| Look(name.clone(), false)));
    assert_eq!(phase(id.as_str()), (RequestPhase::App, None));
    let response = context
        .clone()
        .scope(service.oneshot(get("http://Stock:80/")))
        .await
        .unwrap();
    assert_eq!(phase(id.as_str()), (RequestPhase::App, None));
    assert_eq!(*SEEN.lock().unwrap(), [(RequestPhase::Calling, Some("stock")); 2]);
    drop(response);
    // Dropped before its head it is back in the application too.
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
async fn a_panic_leaves_no_call_behind() {
    let board = Board::new();
    let service = MetricsLayer::new()
        .with_recorder(board)
        .layer(service_fn(|request: Request<()>| {
            assert!(request.uri().path() != "/at-once", "as told");
            async { panic!("as told") as Result<Response<Empty<Bytes>>, Infallible> }
        }));
    for path in ["at-once", "later"] {
        let call = service.clone().oneshot(get(&format!("http://stock/{path}")));
        assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    }
    assert_eq!(board.sum("http_client_active_requests"), 0.0);
    assert_eq!(board.sum("http_client_requests_total"), 2.0);
}

#[test]
fn the_list_of_metrics_is_whole_and_well_formed() {
    let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METRICS.len(), "a name twice");
    for metric in METRICS {
        let prefixes = ["http_client_", "rpc_client_", "campanile_"];
        assert!(prefixes.iter().any(|prefix| metric.name().starts_with(prefix)));
        let counter = metric.kind() == campanile_metrics::Kind::Counter;
        assert_eq!(counter, metric.name().ends_with("_total"), "{}", metric.name());
        let seconds = metric.kind() == campanile_metrics::Kind::Histogram;
        assert_eq!(seconds, metric.name().ends_with("_seconds"), "{}", metric.name());
        assert!(!metric.help().ends_with('.'), "{}", metric.name());
    }
}

#[tokio::test]
async fn layers_made_separately_for_one_recorder_count_a_call_once() {
    let board = Board::new();
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(String::from("ok"))) });
    let inner = MetricsLayer::new().with_recorder(board).layer(inner);
    let service = MetricsLayer::new().with_recorder(board).layer(inner);
    let request = Request::get("http://stock/items/7").body(()).unwrap();
    drop(service.oneshot(request).await.unwrap());
    assert_eq!(
        board.sum("http_client_requests_total"),
        1.0,
        "{:?}",
        board.lines()
    );
}
