//! Connections: counted, bounded in time, and names that are not found.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]
#![cfg(feature = "connect")]

mod support;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

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
use support::{Board, Then, nobody, server, within};
use tower::{Layer, ServiceExt};

type Counted = MetricsService<Client<ConnectorService<HttpConnector<Resolver>>, Empty<Bytes>>>;

fn client(board: &'static Board) -> Counted {
    let metrics = MetricsLayer::new().with_recorder(board);
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
async fn a_kept_connection_is_opened_once_and_open_till_it_closes() {
    let board = Board::new();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (address, _) = server(Then::WriteAndHold(answer)).await;
    let client = client(board);
    let response = within(
        "the answer",
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
        board.sum("http_client_open_connections{server_address=localhost}"),
        1.0
    );
    assert_eq!(
        board.sum("http_client_connections_total{server_address=localhost}"),
        1.0
    );
    assert_eq!(
        board.sum("http_client_connect_duration_seconds{server_address=localhost}"),
        1.0
    );
    assert_eq!(board.count("http_client_connect_errors_total"), 0);
    drop(client);
    board.wait("http_client_open_connections", 0.0).await;
}

#[tokio::test]
async fn a_name_that_is_not_found_has_its_code() {
    let board = Board::new();
    let call = client(board).oneshot(get("http://does-not-exist.invalid/".into()));
    within("the resolver", call).await.unwrap_err();
    let lines = board.lines();
    let error = lines
        .iter()
        .find(|line| line.starts_with("http_client_errors_total"))
        .unwrap();
    assert!(
        error.contains("error_code=EAI_") && error.contains("error_type=connection"),
        "{error}"
    );
    assert_eq!(board.sum("http_client_connect_errors_total{error_code=EAI_"), 1.0);
    assert_eq!(board.sum("http_client_requests_total"), 1.0);
    assert_eq!(board.sum("http_client_active_requests"), 0.0);
}

#[tokio::test]
async fn a_refused_connection_is_an_error_of_connecting_and_of_the_call() {
    let board = Board::new();
    let address = nobody().await;
    within(
        "the refusal",
        client(board).oneshot(get(format!("http://{address}/"))),
    )
    .await
    .unwrap_err();
    assert_eq!(
        board.sum("http_client_connect_errors_total{error_code=ECONNREFUSED,server_address=127.0.0.1}"),
        1.0
    );
    assert_eq!(
        board.sum("http_client_errors_total{error_code=ECONNREFUSED,error_type=connection"),
        1.0
    );
    assert_eq!(board.sum("http_client_open_connections"), 0.0);
}

/// A listener whose queue is full, so that a further connect hangs; and what fills it.
fn full() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap().into_std().unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    // The kernel takes one more than it is told; the next hangs.
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        held.push(stream);
        assert!(held.len() < 64, "the queue is never full");
    }
    (address, listener, held)
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_a_timeout_of_connecting() {
    let board = Board::new();
    let (address, _listener, _held) = full();
    within(
        "the time limit",
        client(board).oneshot(get(format!("http://{address}/"))),
    )
    .await
    .unwrap_err();
    board.shows(&[
        "http_client_active_requests{server_address=127.0.0.1} 0",
        "http_client_requests_total{server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_timeouts_total{phase=connect,server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_connect_errors_total{error_code=ETIMEDOUT,server_address=127.0.0.1} 1",
    ]);
}

#[tokio::test]
async fn the_limit_of_hypers_own_connector_is_told_too() {
    let board = Board::new();
    let (address, _listener, _held) = full();
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(100)));
    let inner: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let client = MetricsLayer::new().with_recorder(board).layer(inner);
    within(
        "the time limit",
        client.oneshot(get(format!("http://{address}/"))),
    )
    .await
    .unwrap_err();
    assert_eq!(
        board.sum("http_client_timeouts_total{phase=connect"),
        1.0,
        "{:#?}",
        board.lines()
    );
}
