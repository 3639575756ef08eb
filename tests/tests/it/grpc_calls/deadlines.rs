//! A deadline bounds a gRPC call to its end, with campanile on either side or on both.

use std::time::Duration;

use campanile_tests::{recorder::TestRecorder, wait::within};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tower::{Layer, service_fn};

use super::service::{Time, boxed, call, client_layers, serve_call, server_layers, start};

const TIME: Duration = Duration::from_millis(150);

/// The calls that only a deadline ends, and whether a message comes first.
const CALLS: [(&str, bool); 5] = [
    ("/pkg.Slow/ServerStream", true),
    ("/pkg.Slow/Flood", true),
    ("/pkg.Slow/ClientStream", false),
    ("/pkg.Slow/Bidi", true),
    ("/pkg.Slow/Unary", false),
];

fn channel(address: std::net::SocketAddr) -> Channel {
    Endpoint::try_from(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

fn server_rpc(path: &str, proven: bool) -> String {
    let method = if proven { &path[1..] } else { "other" };
    format!("rpc_server_requests_total{{rpc_method={method},rpc_response_status_code=DEADLINE_EXCEEDED}}")
}

fn client_rpc(path: &str) -> String {
    let method = &path[1..];
    format!("rpc_client_requests_total{{rpc_method={method},rpc_response_status_code=DEADLINE_EXCEEDED}}")
}

#[tokio::test]
async fn server_ends_every_kind_of_call_at_its_deadline() {
    for (path, has_message) in CALLS {
        let recorder = TestRecorder::leak();
        let address = start(boxed(server_layers(recorder).layer(service_fn(serve_call)))).await;
        let (code, messages) = within(path, call(channel(address), path, Some(Time::Header(TIME)))).await;
        assert_eq!(
            (code, messages > 0),
            (Code::DeadlineExceeded, has_message),
            "{path}"
        );
        let rpc = server_rpc(path, has_message);
        recorder.wait_for_total("rpc_server_requests_total", 1.0).await;
        let series = recorder.nonzero_series();
        assert!(series.contains_key(&rpc), "{path}: {series:?}");
        let timed_out = series.keys().any(|series| {
            series.starts_with("http_server_requests_total") && series.contains("outcome=timed_out")
        });
        assert!(timed_out, "{path}: {series:?}");
    }
}

#[tokio::test]
async fn client_ends_every_kind_of_call_at_its_deadline() {
    for (path, has_message) in CALLS {
        let recorder = TestRecorder::leak();
        // A server that knows no deadlines.
        let address = start(boxed(service_fn(serve_call))).await;
        let client = client_layers(recorder).layer(channel(address));
        let (code, messages) = within(path, call(client, path, Some(Time::Call(TIME)))).await;
        assert_eq!(
            (code, messages > 0),
            (Code::DeadlineExceeded, has_message),
            "{path}"
        );
        let series = recorder.nonzero_series();
        for expected in [
            client_rpc(path),
            "http_client_timeouts_total{phase=deadline,server_address=peer,url_template=unknown}".into(),
        ] {
            assert!(series.contains_key(&expected), "{path}: {expected} in {series:?}");
        }
    }
}

#[tokio::test]
async fn deadline_on_both_sides_is_counted_once_on_each() {
    for (path, _) in CALLS {
        let (server, client) = (TestRecorder::leak(), TestRecorder::leak());
        let address = start(boxed(server_layers(server).layer(service_fn(serve_call)))).await;
        let layered = client_layers(client).layer(channel(address));
        let (code, _) = within(path, call(layered, path, Some(Time::GrpcTimeout(TIME)))).await;
        assert_eq!(code, Code::DeadlineExceeded, "{path}");
        server.wait_for_total("http_server_requests_total", 1.0).await;
        server.wait_for_total("http_server_active_requests", 0.0).await;
        let series = client.nonzero_series();
        assert!(series.contains_key(&client_rpc(path)), "{path}: {series:?}");
    }
}

#[tokio::test]
async fn call_within_its_deadline_is_ok() {
    // Also the longest that `grpc-timeout` can say.
    for time in [Duration::from_secs(60), Duration::from_secs(99_999_999 * 3600)] {
        let (server, client) = (TestRecorder::leak(), TestRecorder::leak());
        let address = start(boxed(server_layers(server).layer(service_fn(serve_call)))).await;
        let layered = client_layers(client).layer(channel(address));
        let (code, messages) =
            within("Quick", call(layered, "/pkg.Slow/Quick", Some(Time::Call(time)))).await;
        assert_eq!((code, messages), (Code::Ok, 1));
    }
}

#[tokio::test]
async fn deadline_of_zero_is_exceeded_at_once_on_either_side() {
    let recorder = TestRecorder::leak();
    let address = start(boxed(server_layers(recorder).layer(service_fn(serve_call)))).await;
    let by_server = call(
        channel(address),
        "/pkg.Slow/Quick",
        Some(Time::Header(Duration::ZERO)),
    );
    assert_eq!(within("the server", by_server).await.0, Code::DeadlineExceeded);
    let layered = client_layers(recorder).layer(channel(address));
    let by_client = call(layered, "/pkg.Slow/Quick", Some(Time::Call(Duration::ZERO)));
    assert_eq!(within("the client", by_client).await.0, Code::DeadlineExceeded);
}

#[tokio::test]
async fn own_timeout_of_the_server_bounds_the_head_and_no_stream() {
    let recorder = TestRecorder::leak();
    let layers = server_layers(recorder).with_deadline(
        campanile_inbound::DeadlineLayer::new()
            .with_timeout(Duration::from_millis(50))
            .with_recorder(recorder),
    );
    let address = start(boxed(layers.layer(service_fn(serve_call)))).await;
    let stream = call(channel(address), "/pkg.Slow/ServerStream", None);
    tokio::time::timeout(4 * TIME, stream).await.unwrap_err();
    // The deadline that the call carries still does.
    let stream = call(
        channel(address),
        "/pkg.Slow/ServerStream",
        Some(Time::Header(2 * TIME)),
    );
    assert_eq!(within("a stream", stream).await, (Code::DeadlineExceeded, 1));
    let late = call(channel(address), "/pkg.Slow/ClientStream", None);
    assert_eq!(within("a late body", late).await.0, Code::DeadlineExceeded);
}
