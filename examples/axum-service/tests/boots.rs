//! Runs the example as a process, over HTTP/1.1 and HTTP/2.

use axum::http::Version;
use campanile_examples_harness::{Example, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_axum-service");

#[tokio::test]
async fn requests_are_named_linked_and_counted() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let url = format!("http://{address}/orders/7");
        let response = get(version, &url, &[("x-request-id", "my-order")]).await;
        assert_eq!((response.version, response.status.as_u16()), (version, 200));
        assert_eq!(response.header("x-request-id"), "my-order");
        assert_eq!(response.header("x-view-name"), "/orders/{id}");
        let callee_id = response.text.trim_end().rsplit(' ').next().unwrap_or_default();
        assert_eq!(callee_id.len(), 16 + 1 + "my-order".len(), "{response:?}");
        assert!(callee_id.ends_with("-my-order"), "{response:?}");
    }
    let unmatched = get(Version::HTTP_11, &format!("http://{address}/nowhere"), &[]).await;
    assert_eq!(unmatched.status, 404);

    let url = format!("http://{address}/metrics");
    // Requests are recorded when they end: only a second scrape could include the first.
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
        "a scrape was recorded:\n{metrics}"
    );
}

#[test]
fn ctrl_c_stops_the_service() {
    let mut service = Example::start(PROGRAM, &[]);
    service.listening_on();
    service.interrupt();
    let ended = service.wait();
    assert!(ended.status.success(), "{ended:?}");
}
