//! The example as a process, over HTTP/1.1 and HTTP/2.

use axum::http::Version;
use campanile_examples_harness::{Example, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_axum-service");

#[tokio::test]
async fn a_call_is_answered_named_linked_and_counted() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let url = format!("http://{address}/orders/7");
        let answer = get(version, &url, &[("x-request-id", "my-order")]).await;
        assert_eq!((answer.version, answer.status.as_u16()), (version, 200));
        assert_eq!(answer.header("x-request-id"), "my-order");
        assert_eq!(answer.header("x-view-name"), "/orders/{id}");
        let asked_by = answer.text.trim_end().rsplit(' ').next().unwrap_or_default();
        assert_eq!(asked_by.len(), 16 + 1 + "my-order".len(), "{answer:?}");
        assert!(asked_by.ends_with("-my-order"), "{answer:?}");
    }
    let lost = get(Version::HTTP_11, &format!("http://{address}/nowhere"), &[]).await;
    assert_eq!(lost.status, 404);

    let url = format!("http://{address}/metrics");
    // A request is counted at its end: only the second scrape could see the first.
    get(Version::HTTP_11, &url, &[]).await;
    let metrics = get(Version::HTTP_11, &url, &[]).await.text;
    for line in [
        "http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/orders/{id}\",outcome=\"completed\"} 2",
        "http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/stock/{item}\",outcome=\"completed\"} 2",
        "http_client_requests_total{server_address=\"warehouse\",url_template=\"get-stock\"} 2",
        "http_server_concurrency_limit{limit=\"main\"} 512",
    ] {
        assert!(
            metrics.lines().any(|have| have == line),
            "no {line} in\n{metrics}"
        );
    }
    assert!(
        !metrics.contains("http_route=\"/metrics\""),
        "a scrape was counted:\n{metrics}"
    );
}

#[test]
fn ctrl_c_ends_it() {
    let mut service = Example::start(PROGRAM, &[]);
    service.listening_on();
    service.interrupt();
    let ended = service.wait();
    assert!(ended.status.success(), "{ended:?}");
}
