//! Each way a call can end, on real sockets: one terminal event, and the right words for it.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod support;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use campanile_outbound::{CallName, MetricsLayer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::{Board, Then, nobody, server, servers, within};
use tower::{Layer, Service, ServiceExt};

type HyperClient = Client<HttpConnector, Empty<Bytes>>;
type Metered = campanile_outbound::metrics::MetricsService<HyperClient>;

fn client(board: &'static Board) -> Metered {
    let client = Client::builder(TokioExecutor::new()).build_http();
    MetricsLayer::new().with_recorder(board).layer(client)
}

fn get(address: SocketAddr) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}/x"))
        .body(Empty::new())
        .unwrap()
}

/// Calls and reads the answer to its end.
async fn whole(client: &Metered, address: SocketAddr) -> Result<StatusCode, Box<dyn std::error::Error>> {
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
async fn answers_below_500_are_no_errors() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
        ("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", 302),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", 404),
        ("HTTP/1.1 499 ?\r\ncontent-length: 2\r\n\r\nno", 499),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 304),
    ] {
        let board = Board::new();
        let (address, _) = server(Then::Write(answer)).await;
        assert_eq!(whole(&client(board), address).await.unwrap(), status);
        board.shows(&[ACTIVE, ONE, &head(status, 1)]);
    }
}

#[tokio::test]
async fn answers_from_500_to_599_are_errors_and_600_is_none() {
    for (answer, status) in [
        ("HTTP/1.1 500 ?\r\ncontent-length: 2\r\n\r\nno", 500),
        ("HTTP/1.1 599 ?\r\ncontent-length: 2\r\n\r\nno", 599),
    ] {
        let board = Board::new();
        let (address, _) = server(Then::Write(answer)).await;
        assert_eq!(whole(&client(board), address).await.unwrap(), status);
        board.shows(&[ACTIVE, ONE, &head(status, 1), &error("http", &status.to_string())]);
    }
    let board = Board::new();
    let (address, _) = server(Then::Write("HTTP/1.1 600 ?\r\ncontent-length: 2\r\n\r\nno")).await;
    whole(&client(board), address).await.unwrap();
    board.shows(&[ACTIVE, ONE, &head(600, 1)]);
}

#[tokio::test]
async fn a_refused_connection_has_the_name_of_its_number() {
    let board = Board::new();
    whole(&client(board), nobody().await).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &error("connection", "ECONNREFUSED")]);
}

#[tokio::test]
async fn a_reset_has_the_name_of_its_number() {
    let board = Board::new();
    let (address, _) = server(Then::Reset).await;
    whole(&client(board), address).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &error("connection", "ECONNRESET")]);
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_of_the_connection() {
    let board = Board::new();
    let (address, _) = server(Then::Write("")).await;
    whole(&client(board), address).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &error("connection", "unknown")]);
}

#[tokio::test]
async fn garbage_in_place_of_a_status_line_is_of_the_protocol() {
    let board = Board::new();
    let (address, _) = server(Then::Write("what do you want\r\n\r\n")).await;
    whole(&client(board), address).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &error("protocol", "unknown")]);
}

#[tokio::test]
async fn a_body_shorter_than_promised_is_one_call_with_a_head() {
    let board = Board::new();
    let (address, _) = server(Then::Write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")).await;
    whole(&client(board), address).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &head(200, 1), &error("body", "unknown")]);
}

#[tokio::test]
async fn a_reset_in_the_body_keeps_its_number() {
    let board = Board::new();
    let (address, _) = server(Then::WriteAndReset(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    ))
    .await;
    whole(&client(board), address).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &head(200, 1), &error("body", "ECONNRESET")]);
}

#[tokio::test]
async fn a_failed_body_of_an_error_counts_once_as_the_error_it_was() {
    let board = Board::new();
    let (address, _) = server(Then::Write("HTTP/1.1 500 ?\r\ncontent-length: 9\r\n\r\nok")).await;
    whole(&client(board), address).await.unwrap_err();
    board.shows(&[ACTIVE, ONE, &head(500, 1), &error("http", "500")]);
}

#[tokio::test]
async fn a_time_limit_inside_is_a_timeout_of_the_response() {
    let board = Board::new();
    let (address, _) = server(Then::WriteAndHold("")).await;
    let inner: HyperClient = Client::builder(TokioExecutor::new()).build_http();
    let limited = tower::timeout::Timeout::new(inner, Duration::from_millis(50));
    let client = MetricsLayer::new()
        .with_recorder(board)
        .with_error_source(|error: &tower::BoxError| Some(&**error as _))
        .layer(limited);
    within("the time limit", client.oneshot(get(address)))
        .await
        .unwrap_err();
    board.shows(&[ACTIVE, ONE, &error("timeout", "ETIMEDOUT"), &timeout("response")]);
}

#[tokio::test]
async fn a_future_dropped_before_its_head_is_cancelled() {
    let board = Board::new();
    let (address, seen) = server(Then::WriteAndHold("")).await;
    let call = tokio::spawn(client(board).oneshot(get(address)));
    within("the server to see the call", async {
        while seen.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(board.sum("http_client_active_requests"), 1.0);
    call.abort();
    let _ = call.await;
    board.shows(&[ACTIVE, ONE, &error("cancelled", "unknown")]);
}

#[tokio::test]
async fn a_future_that_nobody_polls_counts_too() {
    let board = Board::new();
    let address = nobody().await;
    let mut client = client(board);
    let future = client.ready().await.unwrap().call(get(address));
    assert_eq!(board.sum("http_client_active_requests"), 1.0);
    drop(future);
    board.shows(&[ACTIVE, ONE, &error("cancelled", "unknown")]);
}

#[tokio::test]
async fn a_body_dropped_half_way_is_no_error() {
    let board = Board::new();
    let (address, _) = server(Then::WriteAndHold(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    ))
    .await;
    let response = within("the head", client(board).oneshot(get(address)))
        .await
        .unwrap();
    assert_eq!(board.sum("http_client_active_requests"), 1.0);
    assert_eq!(board.sum("http_client_requests_total"), 0.0, "not before its end");
    drop(response);
    board.shows(&[ACTIVE, ONE, &head(200, 1)]);
}

#[tokio::test]
async fn redirects_by_hand_are_a_call_each_with_a_view_each() {
    let board = Board::new();
    let (address, _) = servers(vec![
        Then::Write("HTTP/1.1 302 Found\r\nlocation: /y\r\nx-view-name: old\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        Then::Write("HTTP/1.1 200 OK\r\nx-view-name: new\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
    ])
    .await;
    let client = client(board);
    assert_eq!(whole(&client, address).await.unwrap(), 302);
    assert_eq!(whole(&client, address).await.unwrap(), 200);
    board.shows(&[
        ACTIVE,
        "http_client_requests_total{server_address=127.0.0.1,url_template=old} 1",
        "http_client_requests_total{server_address=127.0.0.1,url_template=new} 1",
        &head(302, 1).replace("unknown", "old"),
        &head(200, 1).replace("unknown", "new"),
    ]);
}

/// Tries again while the answer is 503.
#[derive(Clone)]
struct Again(usize);

impl<B, ResB, E> tower::retry::Policy<Request<B>, Response<ResB>, E> for Again
where
    B: Clone,
{
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<Response<ResB>, E>) -> Option<Self::Future> {
        let again = self.0 > 0 && matches!(result, Ok(response) if response.status() == 503);
        self.0 = self.0.saturating_sub(1);
        again.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn each_attempt_of_a_retry_is_a_call() {
    let board = Board::new();
    let (address, _) = servers(vec![
        Then::Write("HTTP/1.1 503 ?\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Then::Write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    ])
    .await;
    let client = tower::retry::Retry::new(Again(3), client(board));
    let response = within("the last answer", client.oneshot(get(address)))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let two = ONE.replace("} 1", "} 2");
    board.shows(&[ACTIVE, &two, &head(503, 1), &head(200, 1), &error("http", "503")]);
}

#[tokio::test]
async fn a_call_has_the_name_that_the_caller_gave_it() {
    let board = Board::new();
    let (address, _) = server(Then::Write(
        "HTTP/1.1 200 OK\r\nx-view-name: theirs\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    let mut request = get(address);
    request
        .extensions_mut()
        .insert(CallName::new("stock", "get-item"));
    drop(
        within("the answer", client(board).oneshot(request))
            .await
            .unwrap(),
    );
    let mut request = get(address);
    request.extensions_mut().insert(CallName::from_host("stock"));
    drop(
        within("the answer", client(board).oneshot(request))
            .await
            .unwrap(),
    );
    assert_eq!(
        board.sum("http_client_requests_total{server_address=stock,url_template=get-item}"),
        1.0
    );
    assert_eq!(
        board.sum("http_client_requests_total{server_address=stock,url_template=theirs}"),
        1.0
    );
    assert_eq!(board.count("http_client_requests_total"), 2);
}

#[tokio::test]
async fn an_authority_is_renamed_and_upper_case_is_not_another_host() {
    let board = Board::new();
    let (address, _) = server(Then::Write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let inner: HyperClient = Client::builder(TokioExecutor::new()).build_http();
    let client = MetricsLayer::new()
        .with_recorder(board)
        .with_host_name(&address.to_string(), "stock")
        .layer(inner);
    drop(
        within("the answer", client.clone().oneshot(get(address)))
            .await
            .unwrap(),
    );
    let port = address.port();
    for host in ["LOCALHOST", "localhost"] {
        let request = Request::get(format!("http://{host}:{port}/"))
            .body(Empty::new())
            .unwrap();
        drop(
            within("the answer", client.clone().oneshot(request))
                .await
                .unwrap(),
        );
    }
    assert_eq!(board.sum("http_client_requests_total{server_address=stock"), 1.0);
    assert_eq!(
        board.sum("http_client_requests_total{server_address=localhost"),
        2.0
    );
}

#[tokio::test]
async fn method_status_and_error_are_labels_where_asked_for() {
    let board = Board::new();
    let client = MetricsLayer::new()
        .with_recorder(board)
        .with_status_labels(true)
        .layer(Client::builder(TokioExecutor::new()).build_http());
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (well, _) = server(Then::Write(answer)).await;
    whole(&client, well).await.unwrap();
    let (ill, _) = server(Then::Write("HTTP/1.1 503 ?\r\ncontent-length: 2\r\n\r\nno")).await;
    whole(&client, ill).await.unwrap();
    let (short, _) = server(Then::Write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")).await;
    whole(&client, short).await.unwrap_err();
    whole(&client, nobody().await).await.unwrap_err();
    let request = |error: &str, status: &str| {
        format!(
            "http_client_requests_total{{error_type={error},http_request_method=GET,\
             http_response_status_code={status},server_address=127.0.0.1,url_template=unknown}} 1"
        )
    };
    board.shows(&[
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

/// A body that panics when it is asked whether it is at its end.
struct Unaskable;

impl http_body::Body for Unaskable {
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

/// Asserts that one call was counted, and that none is in flight.
#[track_caller]
fn assert_one_ended(board: &Board) {
    let lines = board.lines();
    assert_eq!(board.sum("http_client_active_requests"), 0.0, "{lines:?}");
    assert_eq!(board.sum("http_client_requests_total"), 1.0, "{lines:?}");
}

#[tokio::test]
async fn a_panic_of_the_body_at_its_head_ends_the_call() {
    let board = Board::new();
    let service = MetricsLayer::new()
        .with_recorder(board)
        .layer(tower::service_fn(|_: Request<()>| async {
            Ok::<_, std::io::Error>(Response::new(Unaskable))
        }));
    let call = service.oneshot(Request::get("http://127.0.0.1/x").body(()).unwrap());
    let panicked = tokio::spawn(async move { drop(call.await) }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_one_ended(board);
}

#[tokio::test]
async fn a_panic_of_who_finds_the_error_ends_the_call() {
    let board = Board::new();
    let layer = MetricsLayer::new()
        .with_recorder(board)
        .with_error_source(|_: &std::io::Error| panic!("on purpose"));
    let service = layer.layer(tower::service_fn(|_: Request<()>| async {
        Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("on purpose"))
    }));
    let call = service.oneshot(Request::get("http://127.0.0.1/x").body(()).unwrap());
    let panicked = tokio::spawn(async move { drop(call.await) }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_one_ended(board);
}

#[tokio::test]
async fn a_request_without_a_path_is_no_call_of_grpc() {
    let board = Board::new();
    let service = MetricsLayer::new()
        .with_recorder(board)
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
    let of_rpc: Vec<_> = board
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("rpc_"))
        .collect();
    assert_eq!(of_rpc, [] as [String; 0]);
}
