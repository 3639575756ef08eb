//! The wait in the queue of a proxy.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile_inbound::RequestStartLayer;
use campanile_inbound::request_start::ProxyWait;
use http::{Extensions, Request};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{Layer, ServiceExt, service_fn};

fn recorder() -> &'static DebuggingRecorder {
    Box::leak(Box::default())
}

/// Returns the wait that the handler finds in the request.
async fn wait_of(layer: RequestStartLayer, header: Option<&str>) -> Option<Duration> {
    let service = layer.layer(service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(request.extensions().get::<ProxyWait>().copied())
    }));
    let mut request = Request::get("/");
    if let Some(header) = header {
        request = request.header("X-Request-Start", header);
    }
    let wait = service.oneshot(request.body(()).unwrap()).await.unwrap();
    wait.map(ProxyWait::duration)
}

/// Returns the number of recorded waits and of rejected headers.
fn counts(recorder: &DebuggingRecorder) -> (usize, u64) {
    let (mut waits, mut rejected) = (0, 0);
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        match (key.key().name(), value) {
            ("http_server_proxy_wait_seconds", DebugValue::Histogram(values)) => waits += values.len(),
            ("http_server_request_starts_rejected_total", DebugValue::Counter(count)) => rejected += count,
            _ => {}
        }
    }
    (waits, rejected)
}

fn since_epoch() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

#[tokio::test]
async fn each_unit_and_format_is_accepted() {
    let recorder = recorder();
    let layer = RequestStartLayer::new().with_recorder(recorder);
    let start = since_epoch() - 2.5;
    let formats = [
        format!("t={start:.3}"),
        format!("{start:.6}"),
        format!("t={:.0}", start * 1e3),
        format!("{:.2}", start * 1e3),
        format!("t={:.0}", start * 1e6),
        format!(" {:.0} ", start * 1e9),
    ];
    for header in &formats {
        let waited = wait_of(layer, Some(header)).await.expect(header).as_secs_f64();
        assert!((2.49..30.0).contains(&waited), "{header}: {waited}");
    }
    assert_eq!(counts(recorder), (formats.len(), 0));
}

#[tokio::test]
async fn implausible_headers_are_ignored_and_counted() {
    let recorder = recorder();
    let layer = RequestStartLayer::new().with_recorder(recorder);
    let (ahead, ago) = (since_epoch() + 60.0, since_epoch() - 7200.0);
    let implausible = [
        "",
        "t=",
        "soon",
        "-1",
        "t=1e9",
        "inf",
        "1.2.3",
        "0",
        "99999999999999999999999999999999",
        "1234567890123456789012345678901234567890",
        &format!("t={ahead}"),
        &format!("t={ago}"),
    ];
    for header in implausible {
        assert_eq!(wait_of(layer, Some(header)).await, None, "{header}");
    }
    assert_eq!(counts(recorder), (0, implausible.len() as u64));
    assert_eq!(wait_of(layer, None).await, None);
    assert_eq!(counts(recorder).0, 0);
}

#[tokio::test]
async fn a_start_slightly_in_the_future_is_no_wait() {
    let layer = RequestStartLayer::new().with_recorder(recorder());
    let ahead = format!("t={}", since_epoch() + 0.9);
    assert!(wait_of(layer, Some(&ahead)).await.unwrap() < Duration::from_millis(1));
}

#[tokio::test]
async fn headers_of_untrusted_requests_are_ignored() {
    let recorder = recorder();
    let layer = RequestStartLayer::new()
        .with_recorder(recorder)
        .with_trust(|extensions: &Extensions| !extensions.is_empty());
    let start = format!("t={}", since_epoch());
    assert_eq!(wait_of(layer, Some(&start)).await, None);
    assert_eq!(wait_of(layer, Some("soon")).await, None);
    assert_eq!(counts(recorder), (0, 0));
}
