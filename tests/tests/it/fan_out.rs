//! The request IDs of a fan-out: each ends with the ID of the first request.

use std::{collections::HashSet, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use bytes::Bytes;
use campanile_core::{InRequestExt, RequestContext};
use campanile_outbound::{MetricsLayer, PropagateLayer};
use campanile_tests::client::TestRequest;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};
use tower::{ServiceBuilder, ServiceExt};

use crate::conformance::start_service;

/// A service with campanile's layers in both directions.
struct Service {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Service {
    fn start(make: impl FnOnce(SocketAddr) -> Router) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let app = make(address).layer(campanile_inbound::stack());
        runtime.spawn(axum::serve(listener, app).into_future());
        Self {
            address,
            _runtime: runtime,
        }
    }

    fn get(&self, path: &'static str, id: &str) -> String {
        let response = TestRequest::get(path)
            .header("x-request-id", id)
            .send(&self.address.to_string());
        assert_eq!((response.status(), response.id()), (200, id), "{response:?}");
        response.text().to_owned()
    }
}

type Caller = Client<HttpConnector, Empty<Bytes>>;

fn caller() -> Caller {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Makes a call through the layers and returns the response body.
async fn fetch(caller: Caller, url: String) -> String {
    let client = ServiceBuilder::new()
        .layer(MetricsLayer::new())
        .layer(PropagateLayer::new())
        .service(caller);
    let request = Request::get(&*url).body(Empty::new()).expect("a well-formed URL");
    let response = client
        .oneshot(request)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    let body = response.into_body().collect().await.expect("a whole body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

/// Calls `url` three times concurrently, and once from a spawned task.
async fn fan_out(State((caller, url)): State<(Caller, String)>) -> Json<Vec<String>> {
    let spawned = tokio::spawn(fetch(caller.clone(), url.clone()).in_current_request());
    let (one, two, three) = tokio::join!(
        fetch(caller.clone(), url.clone()),
        fetch(caller.clone(), url.clone()),
        fetch(caller, url),
    );
    Json(vec![one, two, three, spawned.await.expect("the task ended")])
}

#[test]
fn every_call_id_of_a_fan_out_ends_with_the_first_id() {
    let (b, c) = (start_service(&[]), start_service(&[]));
    let url = format!("http://{}/call?url=http://{}/echo", b.address(), c.address());
    let a = Service::start(|_| Router::new().route("/", get(fan_out)).with_state((caller(), url)));
    let responses: Vec<String> = serde_json::from_str(&a.get("/", "order-7")).unwrap();
    assert_eq!(responses.len(), 4);
    let mut of_b = HashSet::new();
    let mut of_c = HashSet::new();
    for response in &responses {
        let response: Value = serde_json::from_str(response).unwrap();
        let echo: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        let seen = echo["request_id"].as_str().unwrap();
        assert_eq!(seen, response["upstream_id"]);
        // <prefix of B>-<prefix of A>-order-7
        let (own, rest) = seen.split_once('-').unwrap();
        let (before, first) = rest.split_once('-').unwrap();
        assert_eq!(first, "order-7", "{seen}");
        for part in [own, before] {
            let hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(part.len() == 16 && hex, "{seen}");
        }
        of_b.insert(rest.to_owned());
        of_c.insert(seen.to_owned());
    }
    assert_eq!((of_b.len(), of_c.len()), (4, 4), "{responses:?}");
    // Both logs contain the same IDs.
    for (service, ids, what) in [(&b, of_b, "called"), (&c, of_c, "echoed")] {
        for id in ids {
            service.wait_for_log(&id, |log| {
                let field = format!("request_id={id}}}");
                log.lines()
                    .any(|line| line.contains(&field) && line.contains(what))
            });
        }
    }
}

#[test]
fn a_call_outside_any_request_gets_a_new_id() {
    let c = start_service(&[]);
    let runtime = Runtime::new().unwrap();
    let echo = runtime.block_on(fetch(caller(), format!("http://{}/echo", c.address())));
    let echo: Value = serde_json::from_str(&echo).unwrap();
    let id = echo["request_id"].as_str().unwrap();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
}

#[test]
fn a_call_from_a_task_without_the_request_context_gets_a_new_id() {
    async fn without_context(State((caller, url)): State<(Caller, String)>) -> String {
        tokio::spawn(fetch(caller, url)).await.expect("the task ended")
    }
    let c = start_service(&[]);
    let url = format!("http://{}/echo", c.address());
    let a = Service::start(|_| {
        Router::new()
            .route("/", get(without_context))
            .with_state((caller(), url))
    });
    let echo: Value = serde_json::from_str(&a.get("/", "order-7")).unwrap();
    let id = echo["request_id"].as_str().unwrap();
    assert!(!id.ends_with("order-7"), "{id}");
}

/// Calls itself as often as the path requests, and responds with the ID of the last call.
async fn hop(State((caller, address)): State<(Caller, SocketAddr)>, Path(left): Path<u32>) -> String {
    let id = RequestContext::current()
        .expect("a request is served")
        .id()
        .to_string();
    match left {
        0 => id,
        _ => fetch(caller, format!("http://{address}/hop/{}", left - 1)).await,
    }
}

#[test]
fn thirty_hops_keep_a_first_id_of_239_bytes_whole() {
    let make = |address| {
        Router::new()
            .route("/hop/{left}", get(hop))
            .with_state((caller(), address))
    };
    let service = Service::start(make);
    let first: String = (0..239).map(|place| char::from(b'a' + place % 26)).collect();
    let last = service.get("/hop/30", &first);
    assert_eq!(last.len(), 256);
    assert_eq!(&last[17..], first);
    // One byte more does not fit after the prefix, so the front is cut.
    let longer = format!("Z{first}");
    let last = service.get("/hop/30", &longer);
    assert_eq!(last.len(), 256);
    assert_eq!(&last[17..], first);
    // A short ID stays at the end of all prefixes that fit.
    let last = service.get("/hop/30", "short");
    assert!(last.ends_with("-short"), "{last}");
    assert_eq!(last.len(), 256);
}
