//! A limit of N is N, over all connections and however it was applied.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use campanile_inbound::{InFlightLimitLayer, MetricsLayer, stack};
use campanile_tests::{
    client::{Ask, AskBody, Http1, Http2},
    tally::Tally,
    wait::{eventually, within},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{ask, serve};

const SHED: &str = "http_server_shed_requests_total{limit=main}";

/// A handler that waits until it is let go, and says when it began.
struct Gate {
    gate: Arc<Semaphore>,
    began: mpsc::UnboundedReceiver<()>,
    router: Router,
}

impl Gate {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let (begin, began) = mpsc::unbounded_channel();
        let handler = {
            let gate = Arc::clone(&gate);
            move || {
                begin.send(()).unwrap();
                let gate = Arc::clone(&gate);
                async move { gate.acquire_owned().await.unwrap().forget() }
            }
        };
        let router = Router::new()
            .route("/held", get(handler.clone()).post(handler))
            .route("/health", get(|| async { "ok" }));
        Self { gate, began, router }
    }

    async fn began(&mut self) {
        within("a handler to begin", self.began.recv()).await;
    }
}

/// Asks on as many connections, and returns the statuses of those that are answered before the gate opens.
async fn n_are_served(limit: &InFlightLimitLayer, mut gate: Gate, router: Router) {
    let n = limit.limit().unwrap().get();
    let address = serve(router).await;
    let mut asking = JoinSet::new();
    for _ in 0..n + 3 {
        asking.spawn(async move { ask(address, &Ask::get("/held")).await });
    }
    for _ in 0..n {
        gate.began().await;
    }
    for _ in 0..3 {
        let head = within("a refusal", asking.join_next()).await.unwrap().unwrap();
        assert_eq!(head.status, 503);
        assert_eq!(head.headers["retry-after"], "1");
        assert!(
            !head.headers.contains_key("connection"),
            "there was no body to be read"
        );
    }
    assert_eq!(limit.limit().unwrap().in_use(), n);
    assert!(gate.began.try_recv().is_err(), "one too many was let in");
    gate.gate.add_permits(n);
    for head in asking.join_all().await {
        assert_eq!(head.status, 200);
    }
    eventually("all slots to be free", || {
        let in_use = limit.limit().unwrap().in_use();
        (in_use == 0)
            .then_some(())
            .ok_or_else(|| format!("{in_use} are taken"))
    })
    .await;
}

#[tokio::test]
async fn limit_counts_over_all_connections() {
    let tally = Tally::leak();
    let limit = InFlightLimitLayer::new(4).with_recorder(tally);
    let gate = Gate::new();
    let router = gate.router.clone().layer(limit.clone());
    n_are_served(&limit, gate, router).await;
    assert_eq!(tally.value(SHED), 3.0);
    assert_eq!(tally.value("http_server_concurrency_limit{limit=main}"), 4.0);
}

#[tokio::test]
async fn limit_applied_twice_is_the_same_limit() {
    let tally = Tally::leak();
    let limit = InFlightLimitLayer::new(3).with_recorder(tally);
    let gate = Gate::new();
    let router = gate.router.clone().layer(limit.clone()).layer(limit.clone());
    n_are_served(&limit, gate, router).await;
    assert_eq!(tally.value(SHED), 3.0);
}

#[tokio::test]
async fn limit_of_a_stack_applied_twice_is_the_same_limit() {
    let tally = Tally::leak();
    let limit = InFlightLimitLayer::new(2).with_recorder(tally);
    let stack = stack()
        .with_metrics(MetricsLayer::new().with_recorder(tally))
        .with_in_flight_limit(limit.clone());
    let gate = Gate::new();
    let router = gate.router.clone().layer(stack.clone()).layer(stack);
    n_are_served(&limit, gate, router).await;
    assert_eq!(tally.value(SHED), 3.0);
    assert_eq!(
        tally.by_label("http_server_requests_total", "outcome")["shed"],
        3.0
    );
}

#[tokio::test]
async fn limit_can_be_changed_while_requests_are_in_flight() {
    let limit = InFlightLimitLayer::new(1).with_recorder(Tally::leak());
    let mut gate = Gate::new();
    let address = serve(gate.router.clone().layer(limit.clone())).await;
    let first = hold(address, &mut gate).await;
    assert_eq!(ask(address, &Ask::get("/health")).await.status, 503);

    limit.limit().unwrap().set(2);
    let second = hold(address, &mut gate).await;
    assert_eq!(ask(address, &Ask::get("/health")).await.status, 503);

    // Those above the new limit stay, and nobody comes in before they went.
    limit.limit().unwrap().set(1);
    assert_eq!(limit.limit().unwrap().in_use(), 2);
    gate.gate.add_permits(2);
    for mut held in [first, second] {
        assert_eq!(within("the held answer", held.head()).await.unwrap().status, 200);
    }
    eventually("a slot", || {
        (limit.limit().unwrap().in_use() == 0)
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    assert_eq!(ask(address, &Ask::get("/health")).await.status, 200);
}

async fn hold(address: SocketAddr, gate: &mut Gate) -> Http1 {
    let mut connection = Http1::connect(address).await.unwrap();
    connection.send(&Ask::get("/held"), "id", "").await.unwrap();
    gate.began().await;
    connection
}

#[tokio::test]
async fn exempt_route_is_served_while_all_slots_are_taken() {
    let limit = InFlightLimitLayer::new(1)
        .with_recorder(Tally::leak())
        .with_exempt_route("/health");
    let mut gate = Gate::new();
    let address = serve(gate.router.clone().layer(limit.clone())).await;
    let _held = hold(address, &mut gate).await;
    assert_eq!(ask(address, &Ask::get("/held")).await.status, 503);
    assert_eq!(ask(address, &Ask::get("/health")).await.status, 200);
    assert_eq!(limit.limit().unwrap().in_use(), 1);
}

#[tokio::test]
async fn slot_is_held_until_a_streamed_body_ends() {
    let limit = InFlightLimitLayer::new(1).with_recorder(Tally::leak());
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
    reader.send(&Ask::get("/stream"), "id", "").await.unwrap();
    chunk.send(Bytes::from_static(b"first")).unwrap();
    let head = within("the head of the stream", reader.head()).await.unwrap();
    within("a chunk", reader.read_to("first\r\n")).await.unwrap();
    assert_eq!(limit.limit().unwrap().in_use(), 1);
    assert_eq!(ask(address, &Ask::get("/other")).await.status, 503);

    drop(chunk);
    within("the end of the stream", reader.body(&head, "GET"))
        .await
        .unwrap();
    eventually("the slot", || {
        (limit.limit().unwrap().in_use() == 0)
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    assert_eq!(ask(address, &Ask::get("/other")).await.status, 200);
}

#[tokio::test]
async fn refusal_closes_the_connection_only_if_a_body_was_left_unread() {
    let limit = InFlightLimitLayer::new(0).with_recorder(Tally::leak());
    let address = serve(Gate::new().router.layer(limit)).await;
    let mut connection = Http1::connect(address).await.unwrap();
    let post = Ask::get("/held").with_method("POST");
    for _ in 0..2 {
        let head = super::ask_on(&mut connection, &post).await;
        assert_eq!((head.status, head.headers.get("connection")), (503, None));
    }
    // The body says to be large, and never comes.
    let large = post.with_headers(&[("content-length", "1000000")]);
    let head = super::ask_on(&mut connection, &large).await;
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
async fn grpc_call_is_refused_in_its_own_words() {
    let limit = InFlightLimitLayer::new(0).with_recorder(Tally::leak());
    let address = serve(Gate::new().router.layer(limit)).await;
    let connection = Http2::connect(address).await.unwrap();
    let call = Ask::grpc("/pkg.Greeter/Hello").with_body(AskBody::Streamed("\0\0\0\0\0"));
    let sent = connection.send(&call, "id", "").await.unwrap();
    let head = within("the refusal", sent.answer).await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["grpc-status"], "8");
    assert_eq!(head.headers()["retry-after"], "1");
    assert!(head.headers().get("connection").is_none(), "which HTTP/2 forbids");
}
