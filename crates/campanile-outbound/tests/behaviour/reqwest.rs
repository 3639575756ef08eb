//! The layers over a reqwest client.

use std::time::Duration;

use crate::support::{AfterHead, TestRecorder, server, unused_address, within};
use campanile_outbound::{CallName, MetricsLayer, ReqwestService, metrics::MetricsService};
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

fn client(recorder: &'static TestRecorder) -> MetricsService<ReqwestService> {
    let client = ::reqwest::Client::builder()
        .redirect(::reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    MetricsLayer::new()
        .with_recorder(recorder)
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
async fn complete_and_incomplete_responses_are_counted() {
    for (response, error) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", None),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
            Some(
                "http_client_errors_total{error_code=unknown,error_type=body,server_address=stock,url_template=get-item} 1",
            ),
        ),
    ] {
        let recorder = TestRecorder::new();
        let (address, _) = server(AfterHead::Write(response)).await;
        let response = within("the head", client(recorder).oneshot(get(address)))
            .await
            .unwrap();
        let body = within("the body", response.into_body().collect()).await;
        assert_eq!(body.is_err(), error.is_some());
        let mut lines = vec![ACTIVE, ONE, HEAD];
        lines.extend(error);
        recorder.assert_series(&lines);
    }
}

#[tokio::test]
async fn errors_have_their_type_and_code() {
    let error = |kind: &str, code: &str| {
        format!(
            "http_client_errors_total{{error_code={code},error_type={kind},server_address=stock,url_template=get-item}} 1"
        )
    };
    let recorder = TestRecorder::new();
    within(
        "the refusal",
        client(recorder).oneshot(get(unused_address().await)),
    )
    .await
    .unwrap_err();
    recorder.assert_series(&[ACTIVE, ONE, &error("connection", "ECONNREFUSED")]);

    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::WriteAndHold("")).await;
    within("the time limit", client(recorder).oneshot(get(address)))
        .await
        .unwrap_err();
    let timeout = "http_client_timeouts_total{phase=response,server_address=stock,url_template=get-item} 1";
    recorder.assert_series(&[ACTIVE, ONE, &error("timeout", "ETIMEDOUT"), timeout]);

    let recorder = TestRecorder::new();
    let (address, _) = server(AfterHead::WriteAndHold(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    ))
    .await;
    let response = within("the head", client(recorder).oneshot(get(address)))
        .await
        .unwrap();
    within("the time limit", response.into_body().collect())
        .await
        .unwrap_err();
    let timeout = "http_client_timeouts_total{phase=body,server_address=stock,url_template=get-item} 1";
    recorder.assert_series(&[ACTIVE, ONE, HEAD, &error("timeout", "ETIMEDOUT"), timeout]);
}

#[tokio::test]
async fn a_url_that_reqwest_rejects_is_an_error() {
    let recorder = TestRecorder::new();
    let request = Request::get("/x").body("").unwrap();
    within("the error", client(recorder).oneshot(request))
        .await
        .unwrap_err();
    assert_eq!(
        recorder.sum("http_client_requests_total{server_address=unknown"),
        1.0
    );
    assert_eq!(
        recorder.count("http_client_errors_total{error_code=unknown,error_type=connection"),
        1
    );
}
