//! The example as a process.

use axum::http::Version;
use campanile_examples_harness::{Example, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_house-names");

#[tokio::test]
async fn all_that_is_scraped_has_the_names_of_the_house() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();
    let answer = get(Version::HTTP_11, &format!("http://{address}/orders/7"), &[]).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (200, "12 left\n"));

    let url = format!("http://{address}/metrics");
    // A request is counted at its end: only the second scrape could see the first.
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
fn ctrl_c_ends_it() {
    let mut service = Example::start(PROGRAM, &[]);
    service.listening_on();
    service.interrupt();
    let ended = service.wait();
    assert!(ended.status.success(), "{ended:?}");
}
