//! Runs the example as a process, over HTTP/1.1 and HTTP/2.

use campanile_examples_harness::{Example, get};
use hyper::Version;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hyper-service");

#[tokio::test]
async fn requests_keep_their_id_and_are_counted_by_route() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let url = format!("http://{address}/hello/you");
        let response = get(version, &url, &[("x-request-id", "me")]).await;
        assert_eq!((response.version, response.status.as_u16()), (version, 200));
        assert_eq!(response.header("x-request-id"), "me");
        assert_eq!(response.text, "hello you, your request ID is me\n");
    }
    let unmatched = get(Version::HTTP_11, &format!("http://{address}/nowhere"), &[]).await;
    assert_eq!(
        (unmatched.status.as_u16(), unmatched.header("x-request-id").len()),
        (404, 36)
    );

    let url = format!("http://{address}/metrics");
    // Requests are recorded when they end: only a second scrape could include the first.
    get(Version::HTTP_11, &url, &[]).await;
    let metrics = get(Version::HTTP_11, &url, &[]).await.text;
    for line in [
        "http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/hello/{name}\",outcome=\"completed\"} 2".to_owned(),
        "http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"404\",http_route=\"other\",outcome=\"completed\"} 1".to_owned(),
        format!("http_server_connection_limit{{listener=\"{address}\"}} 10000"),
    ] {
        assert!(metrics.lines().any(|have| have == line), "no {line} in\n{metrics}");
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
