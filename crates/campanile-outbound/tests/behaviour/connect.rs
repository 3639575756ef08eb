//! Counting connections, the connect timeout, and failed name resolution.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::support::{AfterHead, TestRecorder, server, unused_address, within};
use bytes::Bytes;
use campanile_outbound::{
    ConnectorLayer, MetricsLayer, Resolver, connect::ConnectorService, metrics::MetricsService,
};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceExt};

type CountedClient = MetricsService<Client<ConnectorService<HttpConnector<Resolver>>, Empty<Bytes>>>;

fn client(recorder: &'static TestRecorder) -> CountedClient {
    let metrics = MetricsLayer::new().with_recorder(recorder);
    let connector = ConnectorLayer::new()
        .with_metrics(&metrics)
        .with_connect_timeout(Duration::from_millis(200))
        .layer(HttpConnector::new_with_resolver(Resolver::new()));
    metrics.layer(Client::builder(TokioExecutor::new()).build(connector))
}

fn get(url: String) -> Request<Empty<Bytes>> {
    Request::get(url).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_connection_is_counted_once_and_open_until_it_closes() {
    let recorder = TestRecorder::new();
    let response_text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (address, _) = server(AfterHead::WriteAndHold(response_text)).await;
    let client = client(recorder);
    let response = within(
        "the response",
        client
            .clone()
            .oneshot(get(format!("http://localhost:{}/", address.port()))),
    );
    let body = response
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "ok");
    assert_eq!(
        recorder.sum("http_client_open_connections{server_address=localhost}"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_connections_total{server_address=localhost}"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_connect_duration_seconds{server_address=localhost}"),
        1.0
    );
    assert_eq!(recorder.count("http_client_connect_errors_total"), 0);
    drop(client);
    recorder.wait_for_sum("http_client_open_connections", 0.0).await;
}

#[tokio::test]
async fn failed_name_resolution_has_its_code() {
    let recorder = TestRecorder::new();
    let call = client(recorder).oneshot(get("http://does-not-exist.invalid/".into()));
    within("the resolver", call).await.unwrap_err();
    let lines = recorder.lines();
    let error = lines
        .iter()
        .find(|line| line.starts_with("http_client_errors_total"))
        .unwrap();
    assert!(
        error.contains("error_code=EAI_") && error.contains("error_type=connection"),
        "{error}"
    );
    assert_eq!(
        recorder.sum("http_client_connect_errors_total{error_code=EAI_"),
        1.0
    );
    assert_eq!(recorder.sum("http_client_requests_total"), 1.0);
    assert_eq!(recorder.sum("http_client_active_requests"), 0.0);
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_error_and_a_call_error() {
    let recorder = TestRecorder::new();
    let address = unused_address().await;
    within(
        "the refusal",
        client(recorder).oneshot(get(format!("http://{address}/"))),
    )
    .await
    .unwrap_err();
    assert_eq!(
        recorder.sum("http_client_connect_errors_total{error_code=ECONNREFUSED,server_address=127.0.0.1}"),
        1.0
    );
    assert_eq!(
        recorder.sum("http_client_errors_total{error_code=ECONNREFUSED,error_type=connection"),
        1.0
    );
    assert_eq!(recorder.sum("http_client_open_connections"), 0.0);
}

/// Returns a listener whose accept queue is full, so that connecting hangs, and the connections that fill it.
fn full_listener() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap().into_std().unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    // The kernel accepts one more than the backlog.
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        held.push(stream);
        assert!(held.len() < 64, "the queue is never full");
    }
    (address, listener, held)
}

#[tokio::test]
async fn the_connect_timeout_is_a_timeout_in_the_connect_phase() {
    let recorder = TestRecorder::new();
    let (address, _listener, _held) = full_listener();
    within(
        "the time limit",
        client(recorder).oneshot(get(format!("http://{address}/"))),
    )
    .await
    .unwrap_err();
    recorder.assert_series(&[
        "http_client_active_requests{server_address=127.0.0.1} 0",
        "http_client_requests_total{server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_timeouts_total{phase=connect,server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_connect_errors_total{error_code=ETIMEDOUT,server_address=127.0.0.1} 1",
    ]);
}

#[tokio::test]
async fn the_connect_timeout_of_hyper_util_is_recognized() {
    let recorder = TestRecorder::new();
    let (address, _listener, _held) = full_listener();
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(100)));
    let inner: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let client = MetricsLayer::new().with_recorder(recorder).layer(inner);
    within(
        "the time limit",
        client.oneshot(get(format!("http://{address}/"))),
    )
    .await
    .unwrap_err();
    assert_eq!(
        recorder.sum("http_client_timeouts_total{phase=connect"),
        1.0,
        "{:#?}",
        recorder.lines()
    );
}
