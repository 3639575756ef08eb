//! Propagated headers and deadlines.

use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::support::{TestRecorder, within};
use campanile_core::{Deadline, RequestContext, RequestId, grpc};
use campanile_outbound::{CallDeadline, DeadlineExceeded, MetricsLayer, PropagateLayer, stack};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
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
async fn sent_headers(layer: &PropagateLayer, request: Request<()>) -> HeaderMap {
    let headers = Arc::new(Mutex::new(None));
    let sent = Arc::clone(&headers);
    let service = layer.layer(service_fn(move |request: Request<()>| {
        *sent.lock().unwrap() = Some(request.headers().clone());
        ready(Ok::<_, Infallible>(Response::new(Body::new())))
    }));
    service.oneshot(request).await.unwrap();
    let headers = headers.lock().unwrap().take();
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
async fn each_call_has_its_own_composed_id() {
    let layer = PropagateLayer::new();
    incoming("order-7")
        .scope(async {
            let first = sent_headers(&layer, get("http://stock/")).await;
            let (new, old) = id(&first).split_at(16);
            assert!(is_hex(new), "{new}");
            assert_eq!(old, "-order-7");
            let second = sent_headers(&layer, get("http://stock/")).await;
            assert_ne!(id(&first), id(&second));
        })
        .await;
}

#[tokio::test]
async fn a_long_id_loses_its_front() {
    let layer = PropagateLayer::new();
    for (len, kept) in [(239, 239), (240, 239), (256, 239)] {
        let long: String = (0..len).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let headers = incoming(&long)
            .scope(sent_headers(&layer, get("http://stock/")))
            .await;
        assert_eq!(id(&headers)[17..], long[len - kept..]);
        assert_eq!(id(&headers).len(), 256);
    }
}

#[tokio::test]
async fn the_first_id_stays_complete_over_thirty_hops() {
    let layer = PropagateLayer::new();
    let first: String = "x".repeat(239);
    let mut last = first.clone();
    for _ in 0..30 {
        let headers = incoming(&last)
            .scope(sent_headers(&layer, get("http://stock/")))
            .await;
        last = id(&headers).to_owned();
        assert!(last.len() <= 256);
    }
    assert!(last.ends_with(&first));
}

#[tokio::test]
async fn an_id_set_by_the_caller_is_unchanged() {
    let layer = PropagateLayer::new();
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("X-REQUEST-ID", HeaderValue::from_static("mine, \"all\""));
    let headers = incoming("order-7").scope(sent_headers(&layer, request)).await;
    assert_eq!(id(&headers), "mine, \"all\"");
}

#[tokio::test]
async fn outside_a_request_the_id_is_a_new_uuid() {
    let headers = sent_headers(&PropagateLayer::new(), get("http://stock/")).await;
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
async fn pass_through_sends_the_incoming_id() {
    let layer = PropagateLayer::new().with_pass_through(true);
    let headers = incoming("order-7")
        .scope(sent_headers(&layer, get("http://stock/")))
        .await;
    assert_eq!(id(&headers), "order-7");
}

#[tokio::test]
async fn the_header_name_of_the_id_can_be_set() {
    let layer = PropagateLayer::new().with_header(HeaderName::from_static("x-correlation-id"));
    let headers = incoming("order-7")
        .scope(sent_headers(&layer, get("http://stock/")))
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
async fn the_context_can_be_an_extension_of_the_request() {
    let mut request = get("http://stock/");
    request.extensions_mut().insert(incoming("order-7"));
    let headers = sent_headers(&PropagateLayer::new(), request).await;
    assert!(id(&headers).ends_with("-order-7"));
}

#[tokio::test]
async fn nothing_is_sent_to_an_excluded_host() {
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
        let headers = context.clone().scope(sent_headers(&layer, get(url))).await;
        assert!(headers.is_empty(), "{url} was sent {headers:?}");
    }
    let headers = context
        .scope(sent_headers(&layer, get("http://other.example/")))
        .await;
    assert_eq!(headers.len(), 3);
}

#[tokio::test]
async fn the_trace_is_sent_unless_the_caller_set_one() {
    let layer = PropagateLayer::new();
    let trace = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let context = incoming("order-7").with_traceparent(trace.clone());
    let headers = context
        .clone()
        .scope(sent_headers(&layer, get("http://stock/")))
        .await;
    assert_eq!(headers["traceparent"], trace);
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("traceparent", HeaderValue::from_static("mine"));
    let headers = context.scope(sent_headers(&layer, request)).await;
    assert_eq!(headers["traceparent"], "mine");
}

#[tokio::test]
async fn the_earliest_deadline_is_sent() {
    let layer = PropagateLayer::new();
    let near = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let far = near + Duration::from_secs(60);
    let text = "2096-10-02T07:06:40.000000Z";
    for (outer, own) in [(near, far), (far, near)] {
        let mut request = get("http://stock/");
        request.extensions_mut().insert(CallDeadline::at(own));
        let context = incoming("order-7").with_deadline(Deadline::at(outer));
        let headers = context.scope(sent_headers(&layer, request)).await;
        assert_eq!(headers["x-request-deadline"], text);
        assert!(!headers.contains_key("grpc-timeout"));
    }
    // A header set by the caller counts as a deadline; an invalid one is unchanged.
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("x-request-deadline", HeaderValue::from_static(text));
    let context = incoming("order-7").with_deadline(Deadline::at(far));
    let headers = context.scope(sent_headers(&layer, request)).await;
    assert_eq!(headers["x-request-deadline"], text);
    let mut request = get("http://stock/");
    request
        .headers_mut()
        .insert("x-request-deadline", HeaderValue::from_static("soon"));
    assert_eq!(sent_headers(&layer, request).await["x-request-deadline"], "soon");
}

#[tokio::test]
async fn a_grpc_call_has_the_remaining_time_as_timeout() {
    let mut request = rpc();
    request
        .headers_mut()
        .insert("grpc-timeout", HeaderValue::from_static("60S"));
    request
        .extensions_mut()
        .insert(CallDeadline::after(Duration::from_secs(5)));
    let headers = sent_headers(&PropagateLayer::new(), request).await;
    let left = grpc::parse_timeout(&headers["grpc-timeout"]).unwrap();
    assert!((4..=5).contains(&left.as_secs()), "{left:?}");
    assert!(headers.contains_key("x-request-deadline"));
}

#[tokio::test]
async fn a_call_after_its_deadline_is_not_sent() {
    let recorder = TestRecorder::new();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |_: Request<()>| {
        counted.fetch_add(1, Ordering::SeqCst);
        ready(Ok::<_, Infallible>(Response::new(Body::new())))
    });
    let layers = stack().with_metrics(MetricsLayer::new().with_recorder(recorder));
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
    recorder.assert_series(&[
        "http_client_active_requests{server_address=stock} 0",
        "http_client_requests_total{server_address=stock,url_template=unknown} 2",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=stock,url_template=unknown} 2",
        "http_client_timeouts_total{phase=deadline,server_address=stock,url_template=unknown} 2",
        "rpc_client_requests_total{rpc_method=pkg.Stock/Get,rpc_response_status_code=DEADLINE_EXCEEDED} 1",
    ]);
}

#[tokio::test]
async fn a_deadline_ends_a_waiting_call() {
    let recorder = TestRecorder::new();
    let layers = stack().with_metrics(MetricsLayer::new().with_recorder(recorder));
    let service = layers.layer(service_fn(|_: Request<()>| {
        pending::<Result<Response<Body>, Infallible>>()
    }));
    let mut request = get("http://stock/");
    request
        .extensions_mut()
        .insert(CallDeadline::after(Duration::from_millis(50)));
    let started = Instant::now();
    let response = within("the deadline", service.oneshot(request)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(response.status(), 504);
    drop(response);
    recorder.assert_series(&[
        "http_client_active_requests{server_address=stock} 0",
        "http_client_requests_total{server_address=stock,url_template=unknown} 1",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=stock,url_template=unknown} 1",
        "http_client_timeouts_total{phase=deadline,server_address=stock,url_template=unknown} 1",
    ]);
}

#[tokio::test]
async fn a_504_of_the_peer_is_not_a_timeout() {
    let recorder = TestRecorder::new();
    let layers = stack().with_metrics(MetricsLayer::new().with_recorder(recorder));
    let service = layers.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(
            Response::builder().status(504).body(Body::new()).unwrap(),
        ))
    }));
    drop(service.oneshot(get("http://stock/")).await.unwrap());
    assert_eq!(recorder.sum("http_client_timeouts_total"), 0.0);
    assert_eq!(
        recorder.count("http_client_errors_total{error_code=504,error_type=http"),
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
