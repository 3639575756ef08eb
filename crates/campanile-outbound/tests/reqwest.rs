//! The same layers over reqwest count alike.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]
#![cfg(feature = "reqwest")]

mod support;

use std::time::Duration;

use campanile_outbound::{CallName, MetricsLayer, ReqwestService, metrics::MetricsService};
use http::Request;
use http_body_util::BodyExt;
use support::{Board, Then, nobody, server, within};
use tower::{Layer, ServiceExt};

fn client(board: &'static Board) -> MetricsService<ReqwestService> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    MetricsLayer::new()
        .with_recorder(board)
        .layer(ReqwestService::new(client))
}

const ACTIVE: &str = "http_client_active_requests{server_address=stock} 0";
const ONE: &str = "http_client_requests_total{server_address=stock,url_template=get-item} 1";
const HEAD: &str = "http_client_request_duration_seconds{http_request_method=GET,http_response_status_code=200,\
                    server_address=stock,url_template=get-item} 1";

fn get(address: std::net::SocketAddr) -> Request<&'static str> {
    Request::get(format!("http://{address}/"))
        .extension(CallName::new("stock", "get-item"))
        .body("")
        .unwrap()
}

#[tokio::test]
async fn an_answer_counts_and_so_does_a_short_body() {
    for (answer, error) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", None),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
            Some(
                "http_client_errors_total{error_code=unknown,error_type=body,server_address=stock,url_template=get-item} 1",
            ),
        ),
    ] {
        let board = Board::new();
        let (address, _) = server(Then::Write(answer)).await;
        let response = within("the head", client(board).oneshot(get(address)))
            .await
            .unwrap();
        let body = within("the body", response.into_body().collect()).await;
        assert_eq!(body.is_err(), error.is_some());
        let mut lines = vec![ACTIVE, ONE, HEAD];
        lines.extend(error);
        board.shows(&lines);
    }
}

#[tokio::test]
async fn errors_are_told_apart() {
    let error = |kind: &str, code: &str| {
        format!(
            "http_client_errors_total{{error_code={code},error_type={kind},server_address=stock,url_template=get-item}} 1"
        )
    };
    let board = Board::new();
    within("the refusal", client(board).oneshot(get(nobody().await)))
        .await
        .unwrap_err();
    board.shows(&[ACTIVE, ONE, &error("connection", "ECONNREFUSED")]);

    let board = Board::new();
    let (address, _) = server(Then::WriteAndHold("")).await;
    within("the time limit", client(board).oneshot(get(address)))
        .await
        .unwrap_err();
    let timeout = "http_client_timeouts_total{phase=response,server_address=stock,url_template=get-item} 1";
    board.shows(&[ACTIVE, ONE, &error("timeout", "ETIMEDOUT"), timeout]);

    let board = Board::new();
    let (address, _) = server(Then::WriteAndHold(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    ))
    .await;
    let response = within("the head", client(board).oneshot(get(address)))
        .await
        .unwrap();
    within("the time limit", response.into_body().collect())
        .await
        .unwrap_err();
    let timeout = "http_client_timeouts_total{phase=body,server_address=stock,url_template=get-item} 1";
    board.shows(&[ACTIVE, ONE, HEAD, &error("timeout", "ETIMEDOUT"), timeout]);
}

#[tokio::test]
async fn a_url_that_reqwest_does_not_take_is_an_error() {
    let board = Board::new();
    let request = Request::get("/x").body("").unwrap();
    within("the error", client(board).oneshot(request))
        .await
        .unwrap_err();
    assert_eq!(
        board.sum("http_client_requests_total{server_address=unknown"),
        1.0
    );
    assert_eq!(
        board.count("http_client_errors_total{error_code=unknown,error_type=connection"),
        1
    );
}
