//! Hostile requests do not increase the number of series or the memory.
//!
//! Each request has a path, a method, a host, a view name and a request ID of its own, or calls an unknown gRPC method.
//! Some requests are pipelined over a socket; the others call the same stack directly, which is ten times as fast.
//!
//! A test binary of its own, because it measures the memory of the process.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write;

use axum::body::Body;
use bytes::Bytes;
use campanile_inbound::{MetricsLayer, RequestIdLayer, Route, stack};
use campanile_tests::{
    app::TestApp,
    client::Http1,
    recorder::TestRecorder,
    server::{LayerSetup, SharedLayers, TestServer},
    wait::within,
};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

const HOSTILE: usize = 200_000;
const OVER_SOCKETS: usize = 20_000;
const PIPELINED: usize = 50;

/// The number of series that two routes (`other` of HTTP and of gRPC) with one method and a few statuses can make.
const SERIES: usize = 40;

/// Memory that the allocator may keep, and that the other two tests may use.
const SLACK: usize = 16 << 20;

const REQUESTS: &str = "http_server_requests_total";
const FOLDED: &str = "campanile_series_folded_total";
const IDS_REJECTED: &str = "http_server_request_ids_rejected_total";

#[tokio::test]
async fn hostile_requests_add_no_series_and_no_memory() {
    let recorder = TestRecorder::leak();
    let layers = SharedLayers::new(recorder);
    let server = TestServer::start(&layers, LayerSetup::Stack).await;
    let mut connection = Http1::connect(server.address).await.unwrap();
    for first in (0..OVER_SOCKETS).step_by(PIPELINED) {
        pipeline(&mut connection, first).await;
    }
    let warm = resident();

    let mut service = stack()
        .with_metrics(MetricsLayer::new().with_recorder(recorder))
        .with_request_id(RequestIdLayer::new().with_recorder(recorder))
        .layer(TestApp::default());
    for n in OVER_SOCKETS..HOSTILE {
        for request in [http_request(n), rpc_request(n)] {
            call(&mut service, request).await;
        }
    }

    recorder.wait_for_total(REQUESTS, 2.0 * HOSTILE as f64).await;
    assert_eq!(
        recorder
            .by_label(REQUESTS, "http_route")
            .keys()
            .collect::<Vec<_>>(),
        ["other"]
    );
    assert_eq!(
        recorder.by_label("rpc_server_requests_total", "rpc_method")["other"],
        HOSTILE as f64
    );
    assert_eq!(recorder.value(IDS_REJECTED), HOSTILE as f64 / 10.0);
    assert_eq!(
        recorder.total(FOLDED),
        0.0,
        "a value that was never a label is not folded"
    );
    assert!(recorder.len() < SERIES, "{} series: {recorder:?}", recorder.len());
    let grown = resident().saturating_sub(warm);
    assert!(grown < SLACK, "memory grew by {grown} bytes");
}

/// Sends two pipelined requests for each number, and reads their responses.
async fn pipeline(connection: &mut Http1, first: usize) {
    let mut text = String::new();
    for n in first..first + PIPELINED {
        let id = id(n);
        write!(
            text,
            "M{n} /unknown/{n} HTTP/1.1\r\nhost: h{n}.example\r\nx-view-name: view-{n}\r\nx-request-id: {id}\r\n\r\n\
             POST /pkg.S{n}/M{n} HTTP/1.1\r\nhost: h{n}.example\r\ncontent-type: application/grpc\r\n\r\n"
        )
        .unwrap();
    }
    within("the requests to be sent", connection.write(text.as_bytes()))
        .await
        .unwrap();
    for _ in 0..PIPELINED {
        for (method, status) in [("M", 404), ("POST", 200)] {
            let head = within("a pipelined response", connection.head()).await.unwrap();
            assert_eq!(head.status, status);
            connection.body(&head, method).await.unwrap();
        }
    }
}

/// Returns a request ID; every tenth one is invalid.
fn id(n: usize) -> String {
    if n.is_multiple_of(10) {
        format!("id;{n}")
    } else {
        format!("id-{n}")
    }
}

fn http_request(n: usize) -> Request<Empty<Bytes>> {
    Request::builder()
        .method(format!("M{n}").as_str())
        .uri(format!("/unknown/{n}"))
        .header("host", format!("h{n}.example"))
        .header("x-view-name", format!("view-{n}"))
        .header("x-request-id", id(n))
        .body(Empty::new())
        .unwrap()
}

fn rpc_request(n: usize) -> Request<Empty<Bytes>> {
    Request::post(format!("/pkg.S{n}/M{n}"))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .body(Empty::new())
        .unwrap()
}

async fn call<S, B>(service: &mut S, request: Request<Empty<Bytes>>)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Returns the resident memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn routes_beyond_the_limit_are_other_and_each_observation_counts_as_folded() {
    let (routes, limit, visits) = (1_500, 1_000, 3);
    let recorder = TestRecorder::leak();
    let mut service = ServiceBuilder::new()
        .layer(
            MetricsLayer::new()
                .with_recorder(recorder)
                .with_route_limit(limit),
        )
        .service(TestApp::default());
    for _ in 0..visits {
        for n in 0..routes {
            let mut request = Request::get(format!("/any/{n}")).body(Empty::new()).unwrap();
            request
                .extensions_mut()
                .insert(Route::new(format!("/any-{n}/{{id}}")));
            call(&mut service, request).await;
        }
    }
    let counted = recorder.by_label(REQUESTS, "http_route");
    assert_eq!(counted.len(), limit + 1);
    let beyond = ((routes - limit) * visits) as f64;
    assert_eq!(counted["other"], beyond);
    assert_eq!(recorder.total(FOLDED), beyond);
}

#[tokio::test]
async fn rpc_methods_beyond_the_limit_are_other_and_each_observation_counts_as_folded() {
    let (methods, limit, visits) = (700, 500, 2);
    let recorder = TestRecorder::leak();
    // Serves every method, like a proxy.
    let serves_all = tower::service_fn(|_request| async {
        let mut response = Response::new(Body::new(Full::new(Bytes::from_static(b"\0\0\0\0\0"))));
        response
            .headers_mut()
            .insert("content-type", "application/grpc".parse().unwrap());
        Ok::<_, BoxError>(response)
    });
    let mut service = ServiceBuilder::new()
        .layer(MetricsLayer::new().with_recorder(recorder))
        .service(serves_all);
    for _ in 0..visits {
        for n in 0..methods {
            call(&mut service, rpc_request(n)).await;
        }
    }
    let beyond = ((methods - limit) * visits) as f64;
    let counted = recorder.by_label("rpc_server_requests_total", "rpc_method");
    assert_eq!((counted.len(), counted["other"]), (limit + 1, beyond));
    let counted = recorder.by_label(REQUESTS, "http_route");
    assert_eq!((counted.len(), counted["other"]), (limit + 1, beyond));
    assert_eq!(recorder.total(FOLDED), beyond);
}

/// Each response is an interceptor's, as of one that misses a token: an error in the head, without a message.
#[tokio::test]
async fn methods_whose_calls_only_fail_add_no_series_and_leave_room_for_those_that_succeed() {
    let recorder = TestRecorder::leak();
    let authorizes = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
        let (status, bytes) = match request.headers().get("authorization") {
            None => ("16", Bytes::new()),
            Some(_) => ("0", Bytes::from_static(b"\0\0\0\0\0")),
        };
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", status);
        Ok::<_, BoxError>(response.body(Full::new(bytes)).unwrap())
    });
    let mut service = ServiceBuilder::new()
        .layer(MetricsLayer::new().with_recorder(recorder))
        .service(authorizes);
    for n in 0..2_000 {
        call(&mut service, rpc_request(n)).await;
    }
    let mut strange: Vec<Request<Empty<Bytes>>> = vec![rpc_request(1), rpc_request(2)];
    *strange[0].version_mut() = Version::HTTP_11;
    *strange[1].uri_mut() = format!("/pkg.S/{}", "m".repeat(124)).parse().unwrap();
    strange.push(rpc_request(3));
    for mut request in strange {
        request
            .headers_mut()
            .insert("authorization", "Bearer token".parse().unwrap());
        call(&mut service, request).await;
    }
    let counted = recorder.by_label("rpc_server_requests_total", "rpc_method");
    let counted: Vec<_> = counted.into_iter().collect();
    assert_eq!(
        counted,
        [("other".to_owned(), 2_002.0), ("pkg.S3/M3".to_owned(), 1.0)]
    );
    let durations = recorder.by_label("http_server_request_duration_seconds", "http_route");
    assert_eq!(durations.keys().collect::<Vec<_>>(), ["/pkg.S3/M3", "other"]);
    assert_eq!(recorder.total(FOLDED), 0.0);
}
