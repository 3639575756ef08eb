//! A recorder that is installed after the layers have served. One test in a process of its own, since the global
//! recorder is set once.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

use std::sync::Arc;

use axum::{Router, routing::get};
use campanile_inbound::{InFlightLimitLayer, stack};
use campanile_tests::{
    client::{Ask, Http1},
    tally::Tally,
    wait::within,
};
use tokio::{net::TcpListener, sync::Semaphore};

const ACTIVE: &str = "http_server_active_requests";
const REQUESTS: &str = "http_server_requests_total";

#[tokio::test]
async fn requests_before_the_recorder_are_lost_and_those_after_are_counted() {
    let gate = Arc::new(Semaphore::new(0));
    let held = {
        let gate = Arc::clone(&gate);
        move || async move { gate.acquire_owned().await.unwrap().forget() }
    };
    let limit = InFlightLimitLayer::new(2);
    let router = Router::new()
        .route("/fast", get(|| async { "ok" }))
        .route("/held", get(held))
        .layer(stack().with_in_flight_limit(limit.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());

    let mut early = Http1::connect(address).await.unwrap();
    ask(&mut early, "/fast").await;
    early.send(&Ask::get("/held"), "id", "").await.unwrap();
    campanile_tests::wait::eventually("the held request", || {
        (limit.limit().unwrap().in_use() == 1)
            .then_some(())
            .ok_or_else(|| "it is not there".into())
    })
    .await;

    let tally = Tally::leak();
    assert!(metrics::set_global_recorder(tally).is_ok());

    let mut late = Http1::connect(address).await.unwrap();
    ask(&mut late, "/fast").await;
    tally.until_total(REQUESTS, 1.0).await;
    tally.until_total(ACTIVE, 0.0).await;
    gate.add_permits(1);
    assert_eq!(within("the held answer", early.head()).await.unwrap().status, 200);
    // It began unseen, so the gauge leaves it alone; it ended where somebody counts.
    tally.until_total(REQUESTS, 2.0).await;
    ask(&mut late, "/fast").await;
    tally.until_total(REQUESTS, 3.0).await;
    tally.until_total(ACTIVE, 0.0).await;
    assert_eq!(tally.lowest(ACTIVE), 0.0);
    assert_eq!(tally.by_label(REQUESTS, "outcome")["completed"], 3.0);
    assert_eq!(tally.value("http_server_concurrency_limit{limit=main}"), 2.0);
}

async fn ask(connection: &mut Http1, path: &'static str) {
    connection.send(&Ask::get(path), "id", "").await.unwrap();
    let head = within(path, connection.head()).await.unwrap();
    assert_eq!(head.status, 200);
    within(path, connection.body(&head, "GET")).await.unwrap();
}
