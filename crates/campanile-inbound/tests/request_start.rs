//! The time in the proxy's queue.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

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

/// Returns what the handler found in the request.
async fn told(layer: RequestStartLayer, header: Option<&str>) -> Option<Duration> {
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

/// Returns how many waits were recorded, and how many headers rejected.
fn counts(recorder: &DebuggingRecorder) -> (usize, u64) {
    let (mut waits, mut rejected) = (0, 0);
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        match (key.key().name(), value) {
            ("http_server_proxy_wait_seconds", DebugValue::Histogram(seen)) => waits += seen.len(),
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
async fn every_unit_and_spelling_is_understood() {
    let recorder = recorder();
    let layer = RequestStartLayer::new().with_recorder(recorder);
    let start = since_epoch() - 2.5;
    let spellings = [
        format!("t={start:.3}"),
        format!("{start:.6}"),
        format!("t={:.0}", start * 1e3),
        format!("{:.2}", start * 1e3),
        format!("t={:.0}", start * 1e6),
        format!(" {:.0} ", start * 1e9),
    ];
    for spelling in &spellings {
        let waited = told(layer, Some(spelling)).await.expect(spelling).as_secs_f64();
        assert!((2.49..30.0).contains(&waited), "{spelling}: {waited}");
    }
    assert_eq!(counts(recorder), (spellings.len(), 0));
}

#[tokio::test]
async fn what_cannot_be_is_ignored_and_counted() {
    let recorder = recorder();
    let layer = RequestStartLayer::new().with_recorder(recorder);
    let (ahead, ago) = (since_epoch() + 60.0, since_epoch() - 7200.0);
    let bad = [
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
    for header in bad {
        assert_eq!(told(layer, Some(header)).await, None, "{header}");
    }
    assert_eq!(counts(recorder), (0, bad.len() as u64));
    assert_eq!(told(layer, None).await, None);
    assert_eq!(counts(recorder).0, 0);
}

#[tokio::test]
async fn a_proxy_whose_clock_is_a_little_ahead_has_not_waited() {
    let layer = RequestStartLayer::new().with_recorder(recorder());
    let ahead = format!("t={}", since_epoch() + 0.9);
    assert!(told(layer, Some(&ahead)).await.unwrap() < Duration::from_millis(1));
}

#[tokio::test]
async fn who_is_not_trusted_is_not_heard() {
    let recorder = recorder();
    let layer = RequestStartLayer::new()
        .with_recorder(recorder)
        .with_trust(|extensions: &Extensions| !extensions.is_empty());
    let start = format!("t={}", since_epoch());
    assert_eq!(told(layer, Some(&start)).await, None);
    assert_eq!(told(layer, Some("soon")).await, None);
    assert_eq!(counts(recorder), (0, 0));
}
