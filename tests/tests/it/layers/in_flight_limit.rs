//! The in-flight limit over all connections, and applied in several ways.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use campanile_inbound::{InFlightLimitLayer, MetricsLayer, stack};
use campanile_tests::{
    client::{Http1, Http2, TestRequest},
    recorder::TestRecorder,
    wait::{eventually, within},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{send, serve};

const SHED: &str = "http_server_shed_requests_total{limit=main}";

/// A handler that waits for a permit, and reports when it starts.
struct Gate {
    permits: Arc<Semaphore>,
    started: mpsc::UnboundedReceiver<()>,
    router: Router,
}

impl Gate {
    fn new() -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let (start, started) = mpsc::unbounded_channel();
        let handler = {
            let permits = Arc::clone(&permits);
            move || {
                start.send(()).unwrap();
                let permits = Arc::clone(&permits);
                async move { permits.acquire_owned().await.unwrap().forget() }
            }
        };
        let router = Router::new()
            .route("/held", get(handler.clone()).post(handler))
            .route("/health", get(|| async { "ok" }));
        Self {
            permits,
            started,
            router,
        }
    }

    async fn started(&mut self) {
        within("a handler to start", self.started.recv()).await;
    }
}

/// Sends three requests more than the limit, and checks that three are shed and the others are served.
async fn check_limit(limit: &InFlightLimitLayer, mut gate: Gate, router: Router) {
    let n = limit.limit().unwrap().get();
    let address = serve(router).await;
    let mut clients = JoinSet::new();
    for _ in 0..n + 3 {
        clients.spawn(async move { send(address, &TestRequest::get("/held")).await });
    }
    for _ in 0..n {
        gate.started().await;
    }
    for _ in 0..3 {
        let head = within("a shed response", clients.join_next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(head.status, 503);
        assert_eq!(head.headers["retry-after"], "1");
        assert!(
            !head.headers.contains_key("connection"),
            "the request has no body"
        );
    }
    assert_eq!(limit.limit().unwrap().in_use(), n);
    assert!(
        gate.started.try_recv().is_err(),
        "more requests than the limit are served"
    );
    gate.permits.add_permits(n);
    for head in clients.join_all().await {
        assert_eq!(head.status, 200);
    }
    eventually("all slots to be free", || {
        let in_use = limit.limit().unwrap().in_use();
        (in_use == 0)
            .then_some(())
            .ok_or_else(|| format!("{in_use} are in use"))
    })
    .await;
}

#[tokio::test]
async fn limit_counts_over_all_connections() {
    let recorder = TestRecorder::leak();
    let limit = InFlightLimitLayer::new(4).with_recorder(recorder);
    let gate = Gate::new();
    let router = gate.router.clone().layer(limit.clone());
    check_limit(&limit, gate, router).await;
    assert_eq!(recorder.value(SHED), 3.0);
    assert_eq!(recorder.value("http_server_concurrency_limit{limit=main}"), 4.0);
}

#[tokio::test]
async fn limit_applied_twice_is_the_same_limit() {
    let recorder = TestRecorder::leak();
    let limit = InFlightLimitLayer::new(3).with_recorder(recorder);
    let gate = Gate::new();
    let router = gate.router.clone().layer(limit.clone()).layer(limit.clone());
    check_limit(&limit, gate, router).await;
    assert_eq!(recorder.value(SHED), 3.0);
}

#[tokio::test]
async fn limit_of_a_stack_applied_twice_is_the_same_limit() {
    let recorder = TestRecorder::leak();
    let limit = InFlightLimitLayer::new(2).with_recorder(recorder);
    let stack = stack()
        .with_metrics(MetricsLayer::new().with_recorder(recorder))
        .with_in_flight_limit(limit.clone());
    let gate = Gate::new();
    let router = gate.router.clone().layer(stack.clone()).layer(stack);
    check_limit(&limit, gate, router).await;
    assert_eq!(recorder.value(SHED), 3.0);
    assert_eq!(
        recorder.by_label("http_server_requests_total", "outcome")["shed"],
        3.0
    );
}

#[tokio::test]
async fn limit_can_be_changed_while_requests_are_in_flight() {
    let limit = InFlightLimitLayer::new(1).with_recorder(TestRecorder::leak());
    let mut gate = Gate::new();
    let address = serve(gate.router.clone().layer(limit.clone())).await;
    let first = hold(address, &mut gate).await;
    assert_eq!(send(address, &TestRequest::get("/health")).await.status, 503);

    limit.limit().unwrap().set(2);
    let second = hold(address, &mut gate).await;
    assert_eq!(send(address, &TestRequest::get("/health")).await.status, 503);

    // Requests above the new limit continue, and no other is admitted before they end.
    limit.limit().unwrap().set(1);
    assert_eq!(limit.limit().unwrap().in_use(), 2);
    gate.permits.add_permits(2);
    for mut held in [first, second] {
        assert_eq!(
            within("the held response", held.head()).await.unwrap().status,
            200
        );
    }
    eventually("a free slot", || {
        (limit.limit().unwrap().in_use() == 0)
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    assert_eq!(send(address, &TestRequest::get("/health")).await.status, 200);
}

async fn hold(address: SocketAddr, gate: &mut Gate) -> Http1 {
    let mut connection = Http1::connect(address).await.unwrap();
    connection.send(&TestRequest::get("/held")).await.unwrap();
    gate.started().await;
    connection
}

#[tokio::test]
async fn exempt_route_is_served_while_all_slots_are_taken() {
    let limit = InFlightLimitLayer::new(1)
        .with_recorder(TestRecorder::leak())
        .with_exempt_route("/health");
    let mut gate = Gate::new();
    let address = serve(gate.router.clone().layer(limit.clone())).await;
    let _held = hold(address, &mut gate).await;
    assert_eq!(send(address, &TestRequest::get("/held")).await.status, 503);
    assert_eq!(send(address, &TestRequest::get("/health")).await.status, 200);
    assert_eq!(limit.limit().unwrap().in_use(), 1);
}

#[tokio::test]
async fn slot_is_held_until_a_streamed_body_ends() {
    let limit = InFlightLimitLayer::new(1).with_recorder(TestRecorder::leak());
    let (chunk, chunks) = mpsc::unbounded_channel::<Bytes>();
    let chunks = Arc::new(std::sync::Mutex::new(Some(chunks)));
    let stream = move || async move {
        let chunks = chunks.lock().unwrap().take().unwrap();
        let stream = tokio_stream::wrappers::UnboundedReceiverStream::new(chunks);
        Body::from_stream(futures_util::StreamExt::map(stream, Ok::<_, std::io::Error>))
    };
    let router = Router::new()
        .route("/stream", get(stream))
        .route("/other", get(|| async { "ok" }))
        .layer(limit.clone());
    let address = serve(router).await;

    let mut reader = Http1::connect(address).await.unwrap();
    reader.send(&TestRequest::get("/stream")).await.unwrap();
    chunk.send(Bytes::from_static(b"first")).unwrap();
    let head = within("the head of the stream", reader.head()).await.unwrap();
    within("a chunk", reader.read_to("first\r\n")).await.unwrap();
    assert_eq!(limit.limit().unwrap().in_use(), 1);
    assert_eq!(send(address, &TestRequest::get("/other")).await.status, 503);

    drop(chunk);
    within("the end of the stream", reader.body(&head, "GET"))
        .await
        .unwrap();
    eventually("a free slot", || {
        (limit.limit().unwrap().in_use() == 0)
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    assert_eq!(send(address, &TestRequest::get("/other")).await.status, 200);
}

#[tokio::test]
async fn shed_response_closes_the_connection_only_if_a_body_was_left_unread() {
    let limit = InFlightLimitLayer::new(0).with_recorder(TestRecorder::leak());
    let address = serve(Gate::new().router.layer(limit)).await;
    let mut connection = Http1::connect(address).await.unwrap();
    let post = TestRequest::get("/held").method("POST");
    for _ in 0..2 {
        let head = super::send_on(&mut connection, &post).await;
        assert_eq!((head.status, head.headers.get("connection")), (503, None));
    }
    // The body is announced, and never sent.
    let large = post.header("content-length", "1000000");
    let head = super::send_on(&mut connection, &large).await;
    assert_eq!(
        (head.status, &head.headers["connection"]),
        (503, &"close".parse().unwrap())
    );
    let rest = within("the end of the connection", connection.read_to_end())
        .await
        .unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn grpc_call_is_shed_with_a_grpc_status() {
    let limit = InFlightLimitLayer::new(0).with_recorder(TestRecorder::leak());
    let address = serve(Gate::new().router.layer(limit)).await;
    let connection = Http2::connect(address).await.unwrap();
    let call = TestRequest::grpc("/pkg.Greeter/Hello").streamed_body("\0\0\0\0\0");
    let sent = connection.send(&call).await.unwrap();
    let head = within("the shed response", sent.response).await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["grpc-status"], "8");
    assert_eq!(head.headers()["retry-after"], "1");
    assert!(
        head.headers().get("connection").is_none(),
        "HTTP/2 forbids `Connection`"
    );
}
