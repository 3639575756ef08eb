//! Runs the example as a process.

use axum::http::Version;
use campanile_examples_harness::{Example, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_custom-profile");

#[tokio::test]
async fn all_metrics_are_renamed() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();
    let response = get(Version::HTTP_11, &format!("http://{address}/orders/7"), &[]).await;
    assert_eq!((response.status.as_u16(), &*response.text), (200, "12 left\n"));

    let url = format!("http://{address}/metrics");
    // Requests are recorded when they end: only a second scrape could include the first.
    get(Version::HTTP_11, &url, &[]).await;
    let metrics = get(Version::HTTP_11, &url, &[]).await.text;
    for line in [
        "acme_in_total{code=\"200\",path=\"/orders/{id}\",site=\"lon1\"} 1",
        "acme_in_ms_bucket{path=\"/orders/{id}\",site=\"lon1\",le=\"2500\"} 1",
        "acme_in_flight{site=\"lon1\"} 0",
        "acme_out_total{peer=\"warehouse\",site=\"lon1\"} 1",
        "acme_out_ms_count{peer=\"warehouse\",site=\"lon1\"} 1",
        "acme_out_flight{site=\"lon1\"} 0",
        "acme_out_connections_total{peer=\"127.0.0.1\",site=\"lon1\"} 1",
        "acme_out_connections{site=\"lon1\"} 1",
    ] {
        assert!(
            metrics.lines().any(|have| have == line),
            "no {line} in\n{metrics}"
        );
    }
    let families = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for family in families {
        assert!(family.starts_with("acme_"), "{family} in\n{metrics}");
    }
}

#[test]
fn ctrl_c_stops_the_service() {
    let mut service = Example::start(PROGRAM, &[]);
    service.listening_on();
    service.interrupt();
    let ended = service.wait();
    assert!(ended.status.success(), "{ended:?}");
}
