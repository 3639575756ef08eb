//! A recorder that is installed after the first requests. A test binary of its own, because the global recorder can be
//! installed only once.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use axum::{Router, routing::get};
use campanile_inbound::{InFlightLimitLayer, stack};
use campanile_tests::{
    client::{Http1, TestRequest},
    recorder::TestRecorder,
    wait::within,
};
use tokio::{net::TcpListener, sync::Semaphore};

const ACTIVE: &str = "http_server_active_requests";
const REQUESTS: &str = "http_server_requests_total";

#[tokio::test]
async fn requests_are_recorded_once_a_recorder_is_installed() {
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
    send_get(&mut early, "/fast").await;
    early.send(&TestRequest::get("/held")).await.unwrap();
    campanile_tests::wait::eventually("the held request", || {
        (limit.limit().unwrap().in_use() == 1)
            .then_some(())
            .ok_or_else(|| "it has not started".into())
    })
    .await;

    let recorder = TestRecorder::leak();
    assert!(metrics::set_global_recorder(recorder).is_ok());

    let mut late = Http1::connect(address).await.unwrap();
    send_get(&mut late, "/fast").await;
    recorder.wait_for_total(REQUESTS, 1.0).await;
    recorder.wait_for_total(ACTIVE, 0.0).await;
    gate.add_permits(1);
    assert_eq!(
        within("the held response", early.head()).await.unwrap().status,
        200
    );
    // The gauge ignores the held request, which started before the recorder; its end is recorded.
    recorder.wait_for_total(REQUESTS, 2.0).await;
    send_get(&mut late, "/fast").await;
    recorder.wait_for_total(REQUESTS, 3.0).await;
    recorder.wait_for_total(ACTIVE, 0.0).await;
    assert_eq!(recorder.lowest(ACTIVE), 0.0);
    assert_eq!(recorder.by_label(REQUESTS, "outcome")["completed"], 3.0);
    assert_eq!(recorder.value("http_server_concurrency_limit{limit=main}"), 2.0);
}

async fn send_get(connection: &mut Http1, path: &'static str) {
    connection.send(&TestRequest::get(path)).await.unwrap();
    let head = within(path, connection.head()).await.unwrap();
    assert_eq!(head.status, 200);
    within(path, connection.body(&head, "GET")).await.unwrap();
}
