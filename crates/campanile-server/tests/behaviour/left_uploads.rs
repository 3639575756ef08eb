//! Clients that leave before their request body is complete: the outcome is `cancelled`, whatever the handler returned.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use campanile_inbound::{MetricsLayer, Stack, stack};
use campanile_server::Server;
use futures_util::StreamExt;
use h2::Reason;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt};

use crate::support::{Client, Running, ms, start, times, within};

type App = BoxCloneService<Request<Incoming>, Response<Body>, Infallible>;

/// A server, and the recorder of its layers.
struct Measured {
    running: Running,
    recorder: &'static DebuggingRecorder,
}

/// Where the layers are.
#[derive(Debug, Clone, Copy)]
enum Layers {
    /// Inside an axum router, whose bodies are axum's.
    InRouter,
    /// Around a service of hyper's bodies.
    AroundService,
}

const ALL_LAYERS: [Layers; 2] = [Layers::InRouter, Layers::AroundService];

/// The routes: `/read` responds 400 if the body fails, `/echo` streams it back, `/ignore` waits for it but does not read it.
async fn respond<B>(request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static,
{
    let path = request.uri().path().to_owned();
    let body = request.into_body();
    match path.as_str() {
        "/echo" => Response::new(Body::new(body)),
        "/stream" => {
            // Responds at once, and reads the body as the response is written.
            let stream = Body::new(body).into_data_stream();
            let stream = stream.filter_map(async |chunk: Result<Bytes, _>| chunk.err().map(Err));
            let first = futures_util::stream::iter([Ok(Bytes::from_static(b"first"))]);
            Response::new(Body::from_stream(first.chain(stream)))
        }
        "/download" => {
            let _ = body.collect().await;
            let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
            Response::new(Body::from_stream(first.chain(futures_util::stream::pending())))
        }
        "/hang" => {
            let _ = body.collect().await;
            std::future::pending().await
        }
        "/early" => {
            let mut response = Response::new(Body::from("too large"));
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        }
        _ => match body.collect().await {
            Ok(body) => Response::new(Body::from(body.to_bytes())),
            Err(_) => {
                let mut response = Response::new(Body::from("bad body"));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }
        },
    }
}

fn layers(recorder: &'static DebuggingRecorder) -> Stack {
    stack().with_metrics(MetricsLayer::new().with_recorder(recorder))
}

async fn measured(at: Layers) -> Measured {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let app: App = match at {
        Layers::InRouter => Router::new()
            .route("/{path}", post(respond::<Body>))
            .layer(layers(recorder))
            .boxed_clone(),
        Layers::AroundService => layers(recorder)
            .layer(tower::service_fn(async |request| {
                Ok(respond::<Incoming>(request).await)
            }))
            .map_response(|response: Response<_>| response.map(Body::new))
            .boxed_clone(),
    };
    Measured {
        running: start(times(0, 1_000), Server::new(app)).await,
        recorder,
    }
}

impl Measured {
    /// Waits for one count of a family, and returns the labels that matter.
    async fn count_of(&self, family: &str, labels: [&str; 2]) -> [String; 2] {
        let counted = async {
            loop {
                let mut found = Vec::new();
                for (key, _, _, value) in self.recorder.snapshotter().snapshot().into_vec() {
                    let DebugValue::Counter(count @ 1..) = value else {
                        continue;
                    };
                    if key.key().name() == family {
                        let of: BTreeMap<_, _> = key.key().labels().map(|l| (l.key(), l.value())).collect();
                        found.push((count, labels.map(|label| of[label].to_owned())));
                    }
                }
                match found.as_slice() {
                    [] => tokio::time::sleep(ms(5)).await,
                    [(1, labels)] => break labels.clone(),
                    more => panic!("counted more than once: {more:?}"),
                }
            }
        };
        within("a count", counted).await
    }

    /// Waits for the end of the one exchange, and returns its outcome and status.
    async fn outcome(&self) -> [String; 2] {
        self.count_of(
            "http_server_requests_total",
            ["outcome", "http_response_status_code"],
        )
        .await
    }

    async fn h2(&self) -> h2::client::SendRequest<Bytes> {
        let io = TcpStream::connect(self.running.address).await.unwrap();
        let (sender, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.ready().await.unwrap()
    }
}

/// Begins an HTTP/1 upload that is not complete.
async fn begin_upload(server: &Measured, path: &str, head: &str, part: &str) -> Client<TcpStream> {
    let mut client = server.running.client().await;
    client
        .send(&format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n{part}"
        ))
        .await;
    // The handler has read what was sent.
    tokio::time::sleep(ms(50)).await;
    client
}

const LENGTH: &str = "content-length: 100";
const CHUNKED: &str = "transfer-encoding: chunked";

#[tokio::test]
async fn http1_upload_whose_client_leaves_is_cancelled() {
    for layers in ALL_LAYERS {
        for (head, part) in [
            (LENGTH, "half"),
            (LENGTH, ""),
            (CHUNKED, "4\r\nhalf\r\n"),
            (CHUNKED, "4\r\nha"),
            ("content-length: 100\r\nexpect: 100-continue", ""),
        ] {
            for path in ["/read", "/echo", "/stream"] {
                let server = measured(layers).await;
                drop(begin_upload(&server, path, head, part).await);
                assert_eq!(
                    server.outcome().await,
                    ["cancelled", ""],
                    "{layers:?} {path} {head} {part}"
                );
            }
        }
    }
}

#[tokio::test]
async fn http1_upload_whose_client_resets_is_cancelled() {
    for layers in ALL_LAYERS {
        let server = measured(layers).await;
        let client = begin_upload(&server, "/read", LENGTH, "half").await;
        client.io.set_zero_linger().unwrap();
        drop(client);
        assert_eq!(server.outcome().await, ["cancelled", ""], "{layers:?}");
    }
}

#[tokio::test]
async fn http1_client_that_half_closes_in_its_upload_is_cancelled() {
    for layers in ALL_LAYERS {
        let server = measured(layers).await;
        let mut client = begin_upload(&server, "/read", LENGTH, "half").await;
        client.io.shutdown().await.unwrap();
        assert_eq!(client.response().await.status, 400);
        assert_eq!(server.outcome().await, ["cancelled", ""], "{layers:?}");
    }
}

#[tokio::test]
async fn malformed_chunk_is_the_handlers_to_refuse() {
    for layers in ALL_LAYERS {
        let server = measured(layers).await;
        let mut client = begin_upload(&server, "/read", CHUNKED, "4\r\nhalf\r\nno size\r\n").await;
        assert_eq!(client.response().await.status, 400);
        drop(client);
        assert_eq!(server.outcome().await, ["completed", "400"], "{layers:?}");
    }
}

#[tokio::test]
async fn complete_upload_has_the_outcome_of_its_response() {
    for layers in ALL_LAYERS {
        let server = measured(layers).await;
        let mut client = begin_upload(&server, "/read", "content-length: 4", "full").await;
        assert_eq!(client.response().await.body, "full");
        drop(client);
        assert_eq!(server.outcome().await, ["completed", "200"], "{layers:?}");

        let server = measured(layers).await;
        drop(begin_upload(&server, "/hang", "content-length: 4", "full").await);
        assert_eq!(
            server.outcome().await,
            ["cancelled", ""],
            "before the head: {layers:?}"
        );

        for (head, part) in [("content-length: 4", "full"), (CHUNKED, "4\r\nfull\r\n0\r\n\r\n")] {
            let server = measured(layers).await;
            let mut client = begin_upload(&server, "/download", head, part).await;
            client.until("first").await;
            drop(client);
            assert_eq!(
                server.outcome().await,
                ["aborted", "200"],
                "in the body: {layers:?}"
            );
        }
    }
}

#[tokio::test]
async fn early_response_is_complete_though_its_client_leaves_in_the_upload() {
    for layers in ALL_LAYERS {
        let server = measured(layers).await;
        let mut client = begin_upload(&server, "/early", LENGTH, "half").await;
        assert_eq!(client.response().await.status, 413);
        drop(client);
        assert_eq!(server.outcome().await, ["completed", "413"], "{layers:?}");
    }
}

/// How an HTTP/2 client leaves.
#[derive(Debug, Clone, Copy)]
enum Leaves {
    Resets(Reason),
    Disconnects,
}

async fn leave_http2(server: &Measured, path: &str, leaves: Leaves, grpc: bool) {
    let io = TcpStream::connect(server.running.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let mut request = Request::post(format!("http://a{path}"));
    if grpc {
        request = request.header("content-type", "application/grpc");
    }
    let (response, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    // The prefix of a gRPC message of 100 bytes, and a part of it.
    body.send_data(Bytes::from_static(b"\0\0\0\0\x64half"), false)
        .unwrap();
    tokio::time::sleep(ms(50)).await;
    match leaves {
        Leaves::Resets(reason) => body.send_reset(reason),
        Leaves::Disconnects => connection.abort(),
    }
    tokio::time::sleep(ms(50)).await;
    drop(response);
}

#[tokio::test]
async fn http2_upload_whose_client_leaves_is_cancelled() {
    for layers in ALL_LAYERS {
        for leaves in [
            Leaves::Resets(Reason::CANCEL),
            Leaves::Resets(Reason::INTERNAL_ERROR),
            Leaves::Disconnects,
        ] {
            let server = measured(layers).await;
            leave_http2(&server, "/read", leaves, false).await;
            assert_eq!(server.outcome().await, ["cancelled", ""], "{layers:?} {leaves:?}");
        }
    }
    for path in ["/echo", "/stream"] {
        for leaves in [Leaves::Resets(Reason::CANCEL), Leaves::Disconnects] {
            let server = measured(Layers::InRouter).await;
            leave_http2(&server, path, leaves, false).await;
            assert_eq!(server.outcome().await, ["cancelled", ""], "{path} {leaves:?}");
        }
    }
}

#[tokio::test]
async fn complete_http2_upload_is_aborted_in_its_response() {
    for layers in ALL_LAYERS {
        let server = measured(layers).await;
        let mut sender = server.h2().await;
        let request = Request::post("http://a/download").body(()).unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"full"), true).unwrap();
        let response = within("the head", response).await.unwrap();
        drop((response, body));
        assert_eq!(server.outcome().await, ["aborted", "200"], "{layers:?}");
    }
}

#[tokio::test]
async fn grpc_upload_whose_client_leaves_is_cancelled() {
    let labels = ["rpc_response_status_code", "rpc_method"];
    for layers in ALL_LAYERS {
        for leaves in [Leaves::Resets(Reason::CANCEL), Leaves::Disconnects] {
            let server = measured(layers).await;
            leave_http2(&server, "/read", leaves, true).await;
            let rpc = server.count_of("rpc_server_requests_total", labels).await;
            assert_eq!(rpc, ["CANCELLED", "other"], "{layers:?} {leaves:?}");
        }
    }
}

/// A tonic service under the layers; with `routes`, tonic's own body is what they see.
async fn tonic_server(routes: bool) -> Measured {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let (_, health) = tonic_health::server::health_reporter();
    let app: App = if routes {
        let service = layers(recorder).layer(health);
        let service = service.map_request(|request: Request<Incoming>| request.map(tonic::body::Body::new));
        let service = service.map_response(|response: Response<_>| response.map(Body::new));
        service.boxed_clone()
    } else {
        let service = layers(recorder).layer(health);
        let service = service.map_request(|request: Request<Incoming>| request);
        let service = service.map_response(|response: Response<_>| response.map(Body::new));
        service.boxed_clone()
    };
    Measured {
        running: start(times(0, 1_000), Server::new(app)).await,
        recorder,
    }
}

#[tokio::test]
async fn tonic_call_whose_client_leaves_is_cancelled() {
    for routes in [false, true] {
        for leaves in [Leaves::Resets(Reason::CANCEL), Leaves::Disconnects] {
            let server = tonic_server(routes).await;
            leave_http2(&server, "/grpc.health.v1.Health/Check", leaves, true).await;
            assert_eq!(server.outcome().await, ["cancelled", ""], "{routes} {leaves:?}");
        }
    }
}

#[tokio::test]
async fn body_keeps_its_length_and_trailers_under_the_layers() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let app = layers(recorder).layer(tower::service_fn(async |request: Request<Body>| {
        let length = http_body::Body::size_hint(request.body()).exact();
        let read = request.into_body().collect().await.unwrap();
        let trailers = read.trailers().is_some();
        let text = format!("{length:?} {} {trailers}", read.to_bytes().len());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    }));
    let known = Request::post("/").body(Body::from("12345")).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("5"));
    let with_trailers =
        Full::new(Bytes::from_static(b"12345")).with_trailers(async move { Some(Ok(trailers)) });
    let unknown = Request::post("/").body(Body::new(with_trailers)).unwrap();
    for (request, expected) in [(known, "Some(5) 5 false"), (unknown, "Some(5) 5 true")] {
        let response = app.clone().oneshot(request).await.unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, expected);
    }
}
