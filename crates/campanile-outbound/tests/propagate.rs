//! What is sent along, and what a passed deadline does.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod support;

use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use campanile_core::{Deadline, RequestContext, RequestId, grpc};
use campanile_outbound::{CallDeadline, DeadlineExceeded, MetricsLayer, PropagateLayer, stack};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use support::{Board, within};
use tower::{Layer, ServiceExt, service_fn};

type Body = Empty<&'static [u8]>;

fn get(url: &str) -> Request<()> {
    Request::get(url).body(()).unwrap()
}

fn rpc() -> Request<()> {
    Request::post("http://stock/pkg.Stock/Get")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

fn incoming(id: &str) -> RequestContext {
    RequestContext::new(id.parse().unwrap())
}

/// Calls through the layer and returns the headers that were sent.
async fn sent(layer: &PropagateLayer, request: Request<()>) -> HeaderMap {
    let seen = Arc::new(Mutex::new(None));
    let sees = Arc::clone(&seen);
    let service = layer.layer(service_fn(move |request: Request<()>| {
        *sees.lock().unwrap() = Some(request.headers().clone());
        ready(Ok::<_, Infallible>(Response::new(Body::new())))
    }));
    service.oneshot(request).await.unwrap();
    let headers = seen.lock().unwrap().take();
    headers.expect("the call was not sent")
}

fn id(headers: &HeaderMap) -> &str {
    let mut ids = headers.get_all("x-request-id").iter();
    let id = ids.next().expect("no id was sent");
    assert!(ids.next().is_none(), "two ids");
    id.to_str().unwrap()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn the_id_is_composed_and_its_own_in_each_call() {
    let layer = PropagateLayer::new();
    incoming("order-7")
        .scope(async {
            let first = sent(&layer, get("http://stock/")).await;
            let (new, old) = id(&first).split_at(16);
            assert!(is_hex(new), "{new}");
            assert_eq!(old, "-order-7");
            let second = sent(&layer, get("http://stock/")).await;
            assert_ne!(id(&first), id(&second));
        })
        .await;
}

#[tokio::test]
async fn an_id_that_would_be_too_long_is_cut_at_its_front() {
    let layer = PropagateLayer::new();
    for (len, kept) in [(239, 239), (240, 239), (256, 239)] {
        let long: String = (0..len).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let headers = incoming(&long).scope(sent(&layer, get("http://stock/"))).await;
        assert_eq!(id(&headers)[17..], long[len - kept..]);
        assert_eq!(id(&headers).len(), 256);
    }
}

#[tokio::test]
async fn a_chain_of_thirty_hops_keeps_the_first_id_whole() {
    let layer = PropagateLayer::new();
    let first: String = "x".repeat(239);
    let mut last = first.clone();
    for _ in 0..30 {
        let headers = incoming(&last).scope(sent(&layer, get("http://stock/"))).await;
        last = id(&headers).to_owned();
        assert!(last.len() <= 256);
    }
    assert!(last.ends_with(&first));
}

#[tokio::test]
async fn a_callers_own_id_is_left_alone() {
    let layer = PropagateLayer::new();
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("X-REQUEST-ID", HeaderValue::from_static("mine, \"all\""));
    let headers = incoming("order-7").scope(sent(&layer, request)).await;
    assert_eq!(id(&headers), "mine, \"all\"");
}

#[tokio::test]
async fn outside_any_request_the_id_is_a_new_uuid() {
    let headers = sent(&PropagateLayer::new(), get("http://stock/")).await;
    let parts: Vec<_> = id(&headers).split('-').collect();
    assert_eq!(
        parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
    assert!(parts.iter().all(|part| is_hex(part)));
    assert!(parts[2].starts_with('4'));
    assert!(parts[3].starts_with(['8', '9', 'a', 'b']));
    assert!(!headers.contains_key("x-request-deadline"));
}

#[tokio::test]
async fn passed_through_the_id_is_the_one_that_came() {
    let layer = PropagateLayer::new().with_pass_through(true);
    let headers = incoming("order-7")
        .scope(sent(&layer, get("http://stock/")))
        .await;
    assert_eq!(id(&headers), "order-7");
}

#[tokio::test]
async fn the_header_of_the_id_can_have_another_name() {
    let layer = PropagateLayer::new().with_header(HeaderName::from_static("x-correlation-id"));
    let headers = incoming("order-7")
        .scope(sent(&layer, get("http://stock/")))
        .await;
    assert!(!headers.contains_key("x-request-id"));
    assert!(
        headers["x-correlation-id"]
            .to_str()
            .unwrap()
            .ends_with("-order-7")
    );
}

#[tokio::test]
async fn a_request_handed_on_keeps_its_context_in_its_extensions() {
    let mut request = get("http://stock/");
    request.extensions_mut().insert(incoming("order-7"));
    let headers = sent(&PropagateLayer::new(), request).await;
    assert!(id(&headers).ends_with("-order-7"));
}

#[tokio::test]
async fn an_excluded_host_is_told_nothing() {
    let layer = PropagateLayer::new()
        .with_excluded_host("Partner.Example")
        .with_excluded_host("[::1]");
    let trace = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let context = incoming("order-7")
        .with_traceparent(trace)
        .with_deadline(Deadline::after(Duration::from_secs(9)));
    for url in [
        "http://partner.EXAMPLE:8080/",
        "http://user@partner.example/",
        "http://[::1]:8080/",
    ] {
        let headers = context.clone().scope(sent(&layer, get(url))).await;
        assert!(headers.is_empty(), "{url} was sent {headers:?}");
    }
    let headers = context.scope(sent(&layer, get("http://other.example/"))).await;
    assert_eq!(headers.len(), 3);
}

#[tokio::test]
async fn the_trace_goes_along_unless_the_caller_has_one() {
    let layer = PropagateLayer::new();
    let trace = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let context = incoming("order-7").with_traceparent(trace.clone());
    let headers = context.clone().scope(sent(&layer, get("http://stock/"))).await;
    assert_eq!(headers["traceparent"], trace);
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("traceparent", HeaderValue::from_static("mine"));
    let headers = context.scope(sent(&layer, request)).await;
    assert_eq!(headers["traceparent"], "mine");
}

#[tokio::test]
async fn the_nearest_deadline_is_sent() {
    let layer = PropagateLayer::new();
    let near = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let far = near + Duration::from_secs(60);
    let text = "2096-10-02T07:06:40.000000Z";
    for (outer, own) in [(near, far), (far, near)] {
        let mut request = get("http://stock/");
        request.extensions_mut().insert(CallDeadline::at(own));
        let context = incoming("order-7").with_deadline(Deadline::at(outer));
        let headers = context.scope(sent(&layer, request)).await;
        assert_eq!(headers["x-request-deadline"], text);
        assert!(!headers.contains_key("grpc-timeout"));
    }
    // A header that the caller wrote is his deadline too; one that cannot be read is none.
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("x-request-deadline", HeaderValue::from_static(text));
    let context = incoming("order-7").with_deadline(Deadline::at(far));
    let headers = context.scope(sent(&layer, request)).await;
    assert_eq!(headers["x-request-deadline"], text);
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("x-request-deadline", HeaderValue::from_static("soon"));
    assert_eq!(sent(&layer, request).await["x-request-deadline"], "soon");
}

#[tokio::test]
async fn a_grpc_call_is_told_the_time_left() {
    let mut request = rpc();
    request
        .headers_mut()
        .insert("grpc-timeout", HeaderValue::from_static("60S"));
    request
        .extensions_mut()
        .insert(CallDeadline::after(Duration::from_secs(5)));
    let headers = sent(&PropagateLayer::new(), request).await;
    let left = grpc::parse_timeout(&headers["grpc-timeout"]).unwrap();
    assert!((4..=5).contains(&left.as_secs()), "{left:?}");
    assert!(headers.contains_key("x-request-deadline"));
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_sent() {
    let board = Board::new();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |_: Request<()>| {
        counted.fetch_add(1, Ordering::SeqCst);
        ready(Ok::<_, Infallible>(Response::new(Body::new())))
    });
    let layers = stack().with_metrics(MetricsLayer::new().with_recorder(board));
    let service = layers.layer(service);
    let context = incoming("order-7").with_deadline(Deadline::after(Duration::ZERO));
    let plain = context
        .clone()
        .scope(service.clone().oneshot(get("http://stock/")))
        .await
        .unwrap();
    assert_eq!(plain.status(), 504);
    assert!(plain.extensions().get::<DeadlineExceeded>().is_some());
    let grpc = context.scope(service.oneshot(rpc())).await.unwrap();
    assert_eq!(grpc.status(), 200);
    assert_eq!(grpc.headers()["grpc-status"], "4");
    assert_eq!(calls.load(Ordering::SeqCst), 0, "sent");
    drop((plain, grpc));
    board.shows(&[
        "http_client_active_requests{server_address=stock} 0",
        "http_client_requests_total{server_address=stock,url_template=unknown} 2",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=stock,url_template=unknown} 2",
        "http_client_timeouts_total{phase=deadline,server_address=stock,url_template=unknown} 2",
        "rpc_client_requests_total{rpc_method=pkg.Stock/Get,rpc_response_status_code=DEADLINE_EXCEEDED} 1",
    ]);
}

#[tokio::test]
async fn a_deadline_that_passes_while_the_call_waits_ends_it() {
    let board = Board::new();
    let layers = stack().with_metrics(MetricsLayer::new().with_recorder(board));
    let service = layers.layer(service_fn(|_: Request<()>| {
        pending::<Result<Response<Body>, Infallible>>()
    }));
    let mut request = get("http://stock/");
    request
        .extensions_mut()
        .insert(CallDeadline::after(Duration::from_millis(50)));
    let began = Instant::now();
    let response = within("the deadline", service.oneshot(request)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!(response.status(), 504);
    drop(response);
    board.shows(&[
        "http_client_active_requests{server_address=stock} 0",
        "http_client_requests_total{server_address=stock,url_template=unknown} 1",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=stock,url_template=unknown} 1",
        "http_client_timeouts_total{phase=deadline,server_address=stock,url_template=unknown} 1",
    ]);
}

#[tokio::test]
async fn a_504_that_somebody_sent_is_an_answer() {
    let board = Board::new();
    let layers = stack().with_metrics(MetricsLayer::new().with_recorder(board));
    let service = layers.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(
            Response::builder().status(504).body(Body::new()).unwrap(),
        ))
    }));
    drop(service.oneshot(get("http://stock/")).await.unwrap());
    assert_eq!(board.sum("http_client_timeouts_total"), 0.0);
    assert_eq!(
        board.count("http_client_errors_total{error_code=504,error_type=http"),
        1
    );
}

#[test]
fn a_call_without_a_deadline_needs_no_timer() {
    let service = stack().layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(Body::new())))
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let response = runtime.block_on(service.oneshot(get("http://stock/"))).unwrap();
    assert_eq!(response.status(), 200);
    let id = RequestId::generate();
    assert_eq!(id.as_str().len(), 36);
}
