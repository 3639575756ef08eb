//! The example as a process, over HTTP/1.1 and HTTP/2.

use campanile_examples_harness::{Example, get};
use hyper::Version;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hyper-service");

#[tokio::test]
async fn a_request_is_answered_under_its_id_and_counted_under_its_route() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let url = format!("http://{address}/hello/you");
        let answer = get(version, &url, &[("x-request-id", "me")]).await;
        assert_eq!((answer.version, answer.status.as_u16()), (version, 200));
        assert_eq!(answer.header("x-request-id"), "me");
        assert_eq!(answer.text, "hello you, you are me\n");
    }
    let lost = get(Version::HTTP_11, &format!("http://{address}/nowhere"), &[]).await;
    assert_eq!(
        (lost.status.as_u16(), lost.header("x-request-id").len()),
        (404, 36)
    );

    let url = format!("http://{address}/metrics");
    // A request is counted at its end: only the second scrape could see the first.
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
