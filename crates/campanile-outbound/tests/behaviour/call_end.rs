//! Each way in which a call can end, on real sockets: it is counted once, with the right error.

use std::{net::SocketAddr, time::Duration};

use crate::support::{AfterHead, TestRecorder, server, server_sequence, unused_address, within};
use bytes::Bytes;
use campanile_outbound::{CallName, MetricsLayer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, Service, ServiceExt};

type HyperClient = Client<HttpConnector, Empty<Bytes>>;
type CountedClient = campanile_outbound::metrics::MetricsService<HyperClient>;

fn client(recorder: &'static TestRecorder) -> CountedClient {
    let client = Client::builder(TokioExecutor::new()).build_http();
    MetricsLayer::new().with_recorder(recorder).layer(client)
}

fn get(address: SocketAddr) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}/x"))
        .body(Empty::new())
        .unwrap()
}

/// Makes a call and reads the response to its end.
async fn call(client: &CountedClient, address: SocketAddr) -> Result<StatusCode, Box<dyn std::error::Error>> {
    let response = within("the head", client.clone().oneshot(get(address))).await?;
    let status = response.status();
    within("the body", response.into_body().collect()).await?;
    Ok(status)
}

const ACTIVE: &str = "http_client_active_requests{server_address=127.0.0.1} 0";
const ONE: &str = "http_client_requests_total{server_address=127.0.0.1,url_template=unknown} 1";

fn head(status: u16, count: usize) -> String {
    format!(
        "http_client_request_duration_seconds{{http_request_method=GET,http_response_status_code={status},\
         server_address=127.0.0.1,url_template=unknown}} {count}"
    )
}

fn error(kind: &str, code: &str) -> String {
    format!(
        "http_client_errors_total{{error_code={code},error_type={kind},server_address=127.0.0.1,\
         url_template=unknown}} 1"
    )
}

fn timeout(phase: &str) -> String {
    format!("http_client_timeouts_total{{phase={phase},server_address=127.0.0.1,url_template=unknown}} 1")
}

#[tokio::test]
async fn responses_below_500_are_not_errors() {
    for (response, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
        ("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", 302),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", 404),
        ("HTTP/1.1 499 ?\r\ncontent-length: 2\r\n\r\nno", 499),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 304),
    ] {
        let recorder = TestRecorder::new();
        let (address, _) = server(AfterHead::Write(response)).await;
        assert_eq!(call(&client(recorder), address).await.unwrap(), status);
        recorder.assert_series(&[ACTIVE, ONE, &head(status, 1)]);
    }
}

#[tokio::test]
async fn responses_from_500_to_599_are_errors() {
    for (response, status) in [
        ("HTTP/1.1 500 ?\r\ncontent-length: 2\r\n\r\nno", 500),
        ("HTTP/1.1 599 ?\r\ncontent-length: 2\r\n\r\nno", 599),
    ] {
        let recorder = TestRecorder::new();
        let (address, _) = server(AfterHead::Write(response)).await;
        assert_eq!(call(&client(recorder), address).await.unwrap(), status);
        recorder.assert_series(&[ACTIVE, ONE, &head(status, 1), &error("http", &status.to_string())]);
    }
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write("HTTP/1.1 600 ?\r\ncontent-length: 2\r\n\r\nno")).await;
    call(&client(recorder), address).await.unwrap();
    recorder.assert_series(&[ACTIVE, ONE, &head(600, 1)]);
}

#[tokio::test]
async fn a_refused_connection_has_its_errno_name() {
    let recorder = TestRecorder::new();
    call(&client(recorder), unused_address().await).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &error("connection", "ECONNREFUSED")]);
}

#[tokio::test]
async fn a_reset_has_its_errno_name() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Reset).await;
    call(&client(recorder), address).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &error("connection", "ECONNRESET")]);
}

#[tokio::test]
async fn a_connection_closed_without_a_response_is_a_connection_error() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write("")).await;
    call(&client(recorder), address).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &error("connection", "unknown")]);
}

#[tokio::test]
async fn an_invalid_status_line_is_a_protocol_error() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write("what do you want\r\n\r\n")).await;
    call(&client(recorder), address).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &error("protocol", "unknown")]);
}

#[tokio::test]
async fn an_incomplete_body_is_a_body_error() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")).await;
    call(&client(recorder), address).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &head(200, 1), &error("body", "unknown")]);
}

#[tokio::test]
async fn a_reset_in_the_body_has_its_errno_name() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::WriteAndReset(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    ))
    .await;
    call(&client(recorder), address).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &head(200, 1), &error("body", "ECONNRESET")]);
}

#[tokio::test]
async fn a_failed_body_of_a_500_counts_as_the_500_only() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write("HTTP/1.1 500 ?\r\ncontent-length: 9\r\n\r\nok")).await;
    call(&client(recorder), address).await.unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &head(500, 1), &error("http", "500")]);
}

#[tokio::test]
async fn an_inner_timeout_is_a_timeout_in_the_response_phase() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::WriteAndHold("")).await;
    let inner: HyperClient = Client::builder(TokioExecutor::new()).build_http();
    let limited = tower::timeout::Timeout::new(inner, Duration::from_millis(50));
    let client = MetricsLayer::new()
        .with_recorder(recorder)
        .with_error_source(|error: &tower::BoxError| Some(&**error as _))
        .layer(limited);
    within("the time limit", client.oneshot(get(address)))
        .await
        .unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &error("timeout", "ETIMEDOUT"), &timeout("response")]);
}

#[tokio::test]
async fn a_future_dropped_before_the_head_is_cancelled() {
    let recorder = TestRecorder::new();
    let (address, connections) = server(AfterHead::WriteAndHold("")).await;
    let pending = tokio::spawn(client(recorder).oneshot(get(address)));
    within("the server to see the call", async {
        while connections.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(recorder.sum("http_client_active_requests"), 1.0);
    pending.abort();
    let _ = pending.await;
    recorder.assert_series(&[ACTIVE, ONE, &error("cancelled", "unknown")]);
}

#[tokio::test]
async fn an_unpolled_future_is_counted_as_cancelled() {
    let recorder = TestRecorder::new();
    let address = unused_address().await;
    let mut client = client(recorder);
    let future = client.ready().await.unwrap().call(get(address));
    assert_eq!(recorder.sum("http_client_active_requests"), 1.0);
    drop(future);
    recorder.assert_series(&[ACTIVE, ONE, &error("cancelled", "unknown")]);
}

#[tokio::test]
async fn an_incomplete_dropped_body_is_not_an_error() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::WriteAndHold(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    ))
    .await;
    let response = within("the head", client(recorder).oneshot(get(address)))
        .await
        .unwrap();
    assert_eq!(recorder.sum("http_client_active_requests"), 1.0);
    assert_eq!(
        recorder.sum("http_client_requests_total"),
        0.0,
        "not before its end"
    );
    drop(response);
    recorder.assert_series(&[ACTIVE, ONE, &head(200, 1)]);
}

#[tokio::test]
async fn redirects_followed_by_the_caller_are_separate_calls() {
    let recorder = TestRecorder::new();
    let (address, _) = server_sequence(vec![
        AfterHead::Write("HTTP/1.1 302 Found\r\nlocation: /y\r\nx-view-name: old\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        AfterHead::Write("HTTP/1.1 200 OK\r\nx-view-name: new\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
    ])
    .await;
    let client = client(recorder);
    assert_eq!(call(&client, address).await.unwrap(), 302);
    assert_eq!(call(&client, address).await.unwrap(), 200);
    recorder.assert_series(&[
        ACTIVE,
        "http_client_requests_total{server_address=127.0.0.1,url_template=old} 1",
        "http_client_requests_total{server_address=127.0.0.1,url_template=new} 1",
        &head(302, 1).replace("unknown", "old"),
        &head(200, 1).replace("unknown", "new"),
    ]);
}

/// Retries while the response is 503.
#[derive(Clone)]
struct RetryOn503(usize);

impl<B, ResB, E> tower::retry::Policy<Request<B>, Response<ResB>, E> for RetryOn503
where
    B: Clone,
{
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<Response<ResB>, E>) -> Option<Self::Future> {
        let retry = self.0 > 0 && matches!(result, Ok(response) if response.status() == 503);
        self.0 = self.0.saturating_sub(1);
        retry.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn each_attempt_of_a_retry_is_a_call() {
    let recorder = TestRecorder::new();
    let (address, _) = server_sequence(vec![
        AfterHead::Write("HTTP/1.1 503 ?\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        AfterHead::Write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    ])
    .await;
    let client = tower::retry::Retry::new(RetryOn503(3), client(recorder));
    let response = within("the last response", client.oneshot(get(address)))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let two = ONE.replace("} 1", "} 2");
    recorder.assert_series(&[ACTIVE, &two, &head(503, 1), &head(200, 1), &error("http", "503")]);
}

#[tokio::test]
async fn a_call_name_takes_precedence_over_the_view_name() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write(
        "HTTP/1.1 200 OK\r\nx-view-name: theirs\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    let mut request = get(address);
    request
        .extensions_mut()
        .insert(CallName::new("stock", "get-item"));
    drop(
        within("the response", client(recorder).oneshot(request))
            .await
            .unwrap(),
    );
    let mut request = get(address);
    request.extensions_mut().insert(CallName::from_host("stock"));
    drop(
        within("the response", client(recorder).oneshot(request))
            .await
            .unwrap(),
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=stock,url_template=get-item}"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=stock,url_template=theirs}"),
        1.0
    );
    assert_eq!(recorder.count("http_client_requests_total"), 2);
}

#[tokio::test]
async fn authorities_can_be_renamed_and_hosts_ignore_case() {
    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::Write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let inner: HyperClient = Client::builder(TokioExecutor::new()).build_http();
    let client = MetricsLayer::new()
        .with_recorder(recorder)
        .with_host_name(&address.to_string(), "stock")
        .layer(inner);
    drop(
        within("the response", client.clone().oneshot(get(address)))
            .await
            .unwrap(),
    );
    let port = address.port();
    for host in ["LOCALHOST", "localhost"] {
        let request = Request::get(format!("http://{host}:{port}/"))
            .body(Empty::new())
            .unwrap();
        drop(
            within("the response", client.clone().oneshot(request))
                .await
                .unwrap(),
        );
    }
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=stock"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=localhost"),
        2.0
    );
}

#[tokio::test]
async fn status_labels_add_method_status_and_error() {
    let recorder = TestRecorder::new();
    let client = MetricsLayer::new()
        .with_recorder(recorder)
        .with_status_labels(true)
        .layer(Client::builder(TokioExecutor::new()).build_http());
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (ok, _) = server(AfterHead::Write(response)).await;
    call(&client, ok).await.unwrap();
    let (unavailable, _) = server(AfterHead::Write("HTTP/1.1 503 ?\r\ncontent-length: 2\r\n\r\nno")).await;
    call(&client, unavailable).await.unwrap();
    let (incomplete, _) = server(AfterHead::Write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")).await;
    call(&client, incomplete).await.unwrap_err();
    call(&client, unused_address().await).await.unwrap_err();
    let request = |error: &str, status: &str| {
        format!(
            "http_client_requests_total{{error_type={error},http_request_method=GET,\
             http_response_status_code={status},server_address=127.0.0.1,url_template=unknown}} 1"
        )
    };
    recorder.assert_series(&[
        "http_client_active_requests{http_request_method=GET,server_address=127.0.0.1} 0",
        &request("", "200"),
        &request("http", "503"),
        &request("body", "200"),
        &request("connection", ""),
        &head(200, 2),
        &head(503, 1),
        &error("http", "503"),
        &error("body", "unknown"),
        &error("connection", "ECONNREFUSED"),
    ]);
}

/// A body whose `is_end_stream` panics.
struct PanickingBody;

impl http_body::Body for PanickingBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        panic!("on purpose");
    }
}

/// Asserts that one call was counted and none is active.
#[track_caller]
fn assert_one_ended(recorder: &TestRecorder) {
    let lines = recorder.lines();
    assert_eq!(recorder.sum("http_client_active_requests"), 0.0, "{lines:?}");
    assert_eq!(recorder.sum("http_client_requests_total"), 1.0, "{lines:?}");
}

#[tokio::test]
async fn a_panic_of_is_end_stream_ends_the_call() {
    let recorder = TestRecorder::new();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(tower::service_fn(|_: Request<()>| async {
            Ok::<_, std::io::Error>(Response::new(PanickingBody))
        }));
    let call = service.oneshot(Request::get("http://127.0.0.1/x").body(()).unwrap());
    let panicked = tokio::spawn(async move { drop(call.await) }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_one_ended(recorder);
}

#[tokio::test]
async fn a_panic_of_the_error_source_ends_the_call() {
    let recorder = TestRecorder::new();
    let layer = MetricsLayer::new()
        .with_recorder(recorder)
        .with_error_source(|_: &std::io::Error| panic!("on purpose"));
    let service = layer.layer(tower::service_fn(|_: Request<()>| async {
        Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("on purpose"))
    }));
    let call = service.oneshot(Request::get("http://127.0.0.1/x").body(()).unwrap());
    let panicked = tokio::spawn(async move { drop(call.await) }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_one_ended(recorder);
}

#[tokio::test]
async fn a_request_without_a_path_is_not_a_grpc_call() {
    let recorder = TestRecorder::new();
    let service = MetricsLayer::new()
        .with_recorder(recorder)
        .layer(tower::service_fn(|_: Request<()>| async {
            Ok::<_, std::io::Error>(
                Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "0")
                    .body(Empty::<Bytes>::new())
                    .unwrap(),
            )
        }));
    let request = Request::post("example.com:443")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    service.oneshot(request).await.unwrap();
    let rpc_series: Vec<_> = recorder
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("rpc_"))
        .collect();
    assert_eq!(rpc_series, [] as [String; 0]);
}
