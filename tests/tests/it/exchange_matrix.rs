//! The exchange matrix: each case with a server and a recorder of its own, and a short run of the torture test.

use campanile_tests::{
    client::Protocol,
    exchange_matrix::{ClientConnection, ExchangeCase, all_cases, run_case},
    recorder::TestRecorder,
    server::{SharedLayers, TestServer},
    torture::{Torture, expect_panics},
    wait::within,
};

#[tokio::test]
async fn every_http1_exchange_is_recorded_once_with_its_outcome() {
    run_all(Protocol::Http1).await;
}

#[tokio::test]
async fn every_http2_exchange_is_recorded_once_with_its_outcome() {
    run_all(Protocol::Http2).await;
}

/// Runs every case before failing, so that one run names all failures.
async fn run_all(protocol: Protocol) {
    let mut failures = Vec::new();
    for case in all_cases().iter().filter(|case| case.supports(protocol)) {
        let run = within(format_args!("the case {:?}", case.name), run(case, protocol)).await;
        if let Err(why) = run {
            failures.push(format!("{:?} over {protocol:?}: {why}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Makes one exchange, waits until its connection has ended, and compares every series.
async fn run(case: &ExchangeCase, protocol: Protocol) -> Result<(), String> {
    let recorder = TestRecorder::leak();
    let layers = SharedLayers::new(recorder);
    let server = TestServer::start(&layers, case.layers).await;
    let connection = ClientConnection::open(server.address, protocol)
        .await
        .map_err(|error| error.to_string())?;
    drop(run_case(case, connection, &server.app, Some(recorder)).await?);
    recorder.wait_for_total("http_server_open_connections", 0.0).await;
    server.idle().await;
    let mut recorded = recorder.nonzero_series();
    recorded.retain(|series, _| !case.ignores(series));
    let expected = case.series(protocol);
    if recorded != expected {
        let missing: Vec<_> = expected
            .iter()
            .filter(|(name, text)| recorded.get(*name) != Some(text))
            .collect();
        let unexpected: Vec<_> = recorded
            .iter()
            .filter(|(name, text)| expected.get(*name) != Some(text))
            .collect();
        return Err(format!("missing {missing:?}, unexpected {unexpected:?}"));
    }
    if recorder.lowest("http_server_active_requests") < 0.0 || server.connections.open() != 0 {
        return Err("a gauge was negative, or a connection is still open".into());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_agree_after_thousands_of_random_exchanges() {
    expect_panics();
    let torture = Torture {
        exchanges: 20_000,
        seed: 7,
        clients: 48,
        progress: false,
    };
    let report = torture.run().await;
    assert!(report.mismatches.is_empty(), "{report}");
}
