//! A recorder that panics at any one of its calls, and errors whose source panics: no layer stays entered, no gauge stays up.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    collections::BTreeMap,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use campanile_outbound::{CallDeadline, MetricsLayer, stack};
use http::{Request, Response};
use http_body::{Body, Frame};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tower::{Layer, Service, service_fn};

#[derive(Default)]
struct State {
    /// Calls until the one that panics; the rest follow `persists`.
    left: AtomicI64,
    persists: bool,
    panicked_at: Mutex<Option<String>>,
    values: Mutex<BTreeMap<String, f64>>,
}

/// Panics at one call, or from one call on.
#[derive(Clone)]
struct Panicking(Arc<State>);

#[derive(Clone)]
struct Series(Arc<State>, String);

impl State {
    fn call(&self, what: &str) {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        if left == 1 || self.persists && left < 1 {
            let mut at = self.panicked_at.lock().unwrap_or_else(PoisonError::into_inner);
            at.get_or_insert_with(|| what.to_owned());
            drop(at);
            panic!("on purpose: {what}");
        }
    }
}

impl Series {
    fn add(&self, what: &str, value: f64) {
        self.0.call(&format!("{what} {}", self.1));
        *self.0.values.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.add("increment", value as f64);
    }
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.add("increment", value);
    }
    fn decrement(&self, value: f64) {
        self.add("decrement", -value);
    }
    fn set(&self, _: f64) {
        self.0.call(&format!("set {}", self.1));
    }
}

impl HistogramFn for Series {
    fn record(&self, _: f64) {
        self.add("record", 1.0);
    }
}

impl Panicking {
    fn series(&self, key: &Key) -> Series {
        self.0.call(&format!("register {}", key.name()));
        Series(Arc::clone(&self.0), key.name().to_owned())
    }
}

impl Recorder for Panicking {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.series(key)))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.series(key)))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.series(key)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Peer {
    Responds,
    RespondsToGrpc,
    Hangs,
    Fails,
    FailsAndTheSourcePanics,
    Panics,
    BodyPanics,
    BodyFails,
    BodyDropped,
    DeadlinePasses,
}

const PEERS: [Peer; 10] = [
    Peer::Responds,
    Peer::RespondsToGrpc,
    Peer::Hangs,
    Peer::Fails,
    Peer::FailsAndTheSourcePanics,
    Peer::Panics,
    Peer::BodyPanics,
    Peer::BodyFails,
    Peer::BodyDropped,
    Peer::DeadlinePasses,
];

struct PeerError(Peer);

/// One frame, and what the peer does then.
struct Frames(u32, Peer);

impl Body for Frames {
    type Data = Bytes;
    type Error = PeerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PeerError>>> {
        self.0 += 1;
        match (self.0, self.1) {
            (1, _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"hello"))))),
            (2, Peer::BodyPanics) => panic!("on purpose: body"),
            (2, Peer::BodyFails) => Poll::Ready(Some(Err(PeerError(self.1)))),
            _ => Poll::Ready(None),
        }
    }
}

async fn call(peer: Peer) -> Result<Response<Frames>, PeerError> {
    match peer {
        Peer::Fails | Peer::FailsAndTheSourcePanics => return Err(PeerError(peer)),
        Peer::Panics => panic!("on purpose: peer"),
        Peer::Hangs | Peer::DeadlinePasses => pending().await,
        _ => {}
    }
    Ok(Response::builder()
        .header("x-view-name", "view")
        .body(Frames(0, peer))
        .unwrap())
}

/// Makes one call, as a caller does that catches panics.
async fn make<S, B>(service: &mut S, peer: Peer)
where
    S: Service<Request<String>, Response = Response<B>>,
    B: Body,
{
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let mut request = Request::post("http://stock/pkg.Stock/Get")
        .body(String::new())
        .unwrap();
    if peer == Peer::DeadlinePasses {
        request
            .extensions_mut()
            .insert(CallDeadline::after(Duration::from_secs(1)));
    }
    if peer == Peer::RespondsToGrpc {
        request
            .headers_mut()
            .insert("content-type", "application/grpc".parse().unwrap());
    }
    let called = catch_unwind(AssertUnwindSafe(|| Box::pin(service.call(request))));
    let Ok(mut future) = called else { return };
    let mut polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
    if matches!(polled, Ok(Poll::Pending)) && peer == Peer::DeadlinePasses {
        tokio::time::advance(Duration::from_secs(2)).await;
        polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
    }
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    let Ok(Poll::Ready(Ok(response))) = polled else {
        return;
    };
    let mut body = Box::pin(response.into_body());
    let _ = catch_unwind(AssertUnwindSafe(|| {
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(cx) {
            if peer == Peer::BodyDropped {
                break;
            }
        }
    }));
    let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
}

fn source(error: &PeerError) -> Option<&(dyn std::error::Error + 'static)> {
    assert!(error.0 != Peer::FailsAndTheSourcePanics, "on purpose: source");
    None
}

/// Makes one call while the recorder panics at its `n`-th call. Returns whether it did.
async fn panics_at(n: i64, peer: Peer, persists: bool, status_labels: bool) -> bool {
    let state = Arc::new(State {
        left: AtomicI64::new(n),
        persists,
        ..State::default()
    });
    let metrics = MetricsLayer::new()
        .with_recorder(Arc::new(Panicking(Arc::clone(&state))))
        .with_status_labels(status_labels)
        .with_error_source(source)
        .with_body_error_source(source);
    let layer = stack().with_metrics(metrics);
    let mut service = layer.layer(service_fn(move |_: Request<String>| call(peer)));
    make(&mut service, peer).await;

    let at = state
        .panicked_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let case = format!("{peer:?}, call {n} ({at:?}), persists: {persists}, status labels: {status_labels}");
    if persists {
        return at.is_some();
    }
    let value = |name: &str| {
        state
            .values
            .lock()
            .unwrap()
            .get(name)
            .copied()
            .unwrap_or_default()
    };
    if !at.as_ref().is_some_and(|at| at.starts_with("decrement")) {
        assert_eq!(value("http_client_active_requests"), 0.0, "{case}");
    }
    let ends = value("http_client_requests_total");
    let excused = at.as_ref().is_some_and(|at| {
        at.contains("http_client_requests_total") || at.contains("http_client_active_requests")
    });
    assert!(ends == 1.0 || excused && ends == 0.0, "{case}: {ends} ends");
    state.left.store(0, Ordering::Relaxed);
    let mut service = layer.layer(service_fn(|_: Request<String>| call(Peer::Responds)));
    make(&mut service, Peer::Responds).await;
    assert_eq!(
        value("http_client_requests_total") - ends,
        1.0,
        "{case}: the next call"
    );
    at.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_leaves_everything_in_order() {
    for persists in [false, true] {
        for status_labels in [false, true] {
            for peer in PEERS {
                let mut n = 1;
                while panics_at(n, peer, persists, status_labels).await {
                    n += 1;
                }
                assert!(n > 4, "{peer:?}: {n}");
            }
        }
    }
}
