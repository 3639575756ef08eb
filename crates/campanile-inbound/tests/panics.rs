//! A recorder that panics at any one of its calls: nothing stays on the thread, no gauge stays up, no slot is lost.
//!
//! A test binary of its own, because it checks that the process's table of requests in flight is empty.

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
use campanile_core::{RequestContext, in_flight};
use campanile_inbound::{
    DeadlineLayer, InFlightLimitLayer, MetricsLayer, RequestIdLayer, Route, UpgradeGuard, stack,
};
use http::{Request, Response};
use http_body::{Body, Frame};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tower::{Layer, Service, ServiceExt, service_fn};

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

#[derive(Clone, Copy, Debug)]
enum Handler {
    Responds,
    Hangs,
    Fails,
    Panics,
    BodyPanics,
    BodyDropped,
    DeadlinePasses,
    DeadlinePassesAndDropPanics,
    NamesTheRoute,
    RequestIdIsInvalid,
    IsShed,
}

const HANDLERS: [Handler; 11] = [
    Handler::Responds,
    Handler::Hangs,
    Handler::Fails,
    Handler::Panics,
    Handler::BodyPanics,
    Handler::BodyDropped,
    Handler::DeadlinePasses,
    Handler::DeadlinePassesAndDropPanics,
    Handler::NamesTheRoute,
    Handler::RequestIdIsInvalid,
    Handler::IsShed,
];

/// Two frames, or one and a panic.
struct Frames {
    sent: u32,
    panics: bool,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.sent += 1;
        match self.sent {
            1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"hello"))))),
            2 if self.panics => panic!("on purpose: body"),
            _ => Poll::Ready(None),
        }
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "on purpose: drop");
    }
}

async fn handle(handler: Handler) -> Result<Response<Frames>, &'static str> {
    match handler {
        Handler::Fails => return Err("on purpose"),
        Handler::Panics => panic!("on purpose: handler"),
        Handler::Hangs | Handler::DeadlinePasses => pending().await,
        Handler::DeadlinePassesAndDropPanics => {
            let _held = PanicsWhenDropped;
            pending().await
        }
        _ => {}
    }
    let panics = matches!(handler, Handler::BodyPanics);
    Ok(Response::new(Frames { sent: 0, panics }))
}

/// Serves a request under the stack with another metrics layer inside, which hands the route out.
async fn serve<S>(service: &mut S, handler: Handler)
where
    S: Service<Request<String>, Response: Send>,
    S::Response: IntoBody,
    S::Error: std::fmt::Debug,
{
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let mut request = Request::new(String::new());
    if let Handler::RequestIdIsInvalid = handler {
        request
            .headers_mut()
            .insert("x-request-id", "a,b".parse().unwrap());
    }
    let called = catch_unwind(AssertUnwindSafe(|| Box::pin(service.call(request))));
    let Ok(mut future) = called else { return };
    let mut polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
    if matches!(polled, Ok(Poll::Pending)) && !matches!(handler, Handler::Hangs) {
        tokio::time::advance(Duration::from_secs(2)).await;
        polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
    }
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    let Ok(Poll::Ready(Ok(response))) = polled else {
        return;
    };
    response.finish(cx, matches!(handler, Handler::BodyDropped));
}

trait IntoBody {
    fn finish(self, cx: &mut Context<'_>, half: bool);
}

impl<B: Body> IntoBody for Response<B> {
    fn finish(self, cx: &mut Context<'_>, half: bool) {
        let mut body = Box::pin(self.into_body());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(cx) {
                if half {
                    break;
                }
            }
        }));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
    }
}

/// Serves one request while the recorder panics at its `n`-th call. Returns whether it did.
async fn panics_at(n: i64, handler: Handler, persists: bool) -> bool {
    let state = Arc::new(State {
        left: AtomicI64::new(n),
        persists,
        ..State::default()
    });
    let recorder = Arc::new(Panicking(Arc::clone(&state)));
    let slots = usize::from(!matches!(handler, Handler::IsShed));
    let limit = InFlightLimitLayer::new(slots).with_recorder(Arc::clone(&recorder));
    let limited = limit.limit().unwrap();
    let mut deadline = DeadlineLayer::new()
        .with_recorder(Arc::clone(&recorder))
        .with_soft_limit(Duration::ZERO);
    if matches!(
        handler,
        Handler::DeadlinePasses | Handler::DeadlinePassesAndDropPanics
    ) {
        deadline = deadline.with_timeout(Duration::from_secs(1));
    }
    let metrics = MetricsLayer::new().with_recorder(Arc::clone(&recorder));
    let outer = stack()
        .with_request_id(RequestIdLayer::new().with_recorder(Arc::clone(&recorder)))
        .with_metrics(metrics.clone())
        .with_in_flight_limit(limit)
        .with_deadline(deadline)
        .with_view_name(true);
    let named = move |mut request: Request<String>| {
        if let Handler::NamesTheRoute = handler {
            request.extensions_mut().insert(Route::new("/named"));
        }
        request
    };
    let inner = metrics.layer(service_fn(move |_: Request<String>| handle(handler)));
    let mut service = outer.layer(inner.map_request(named));
    serve(&mut service, handler).await;

    let at = state
        .panicked_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let case = format!("{handler:?}, call {n} ({at:?}), persists: {persists}");
    assert!(
        RequestContext::current().is_none(),
        "{case}: a context stays current"
    );
    assert_eq!(in_flight::snapshot().len(), 0, "{case}: an entry stays");
    assert_eq!(limited.in_use(), 0, "{case}: a slot is lost");
    if persists {
        return at.is_some();
    }
    {
        let values = state.values.lock().unwrap();
        let value = |name: &str| values.get(name).copied().unwrap_or_default();
        if !at.as_ref().is_some_and(|at| at.starts_with("decrement")) {
            assert_eq!(value("http_server_active_requests"), 0.0, "{case}");
        }
        let ends = value("http_server_requests_total");
        assert!(ends <= 1.0, "{case}: {ends} ends");
        // A request that was begun is counted, unless its count panics.
        let excused = at.as_ref().is_some_and(|at| {
            at.contains("http_server_requests_total")
                || at.contains("http_server_active_requests")
                || at.contains("rejected")
        });
        assert!(excused || ends == 1.0, "{case}: not counted");
    }
    // Whatever happened, the next request is counted once, so no layer is still entered.
    let before = state
        .values
        .lock()
        .unwrap()
        .get("http_server_requests_total")
        .copied()
        .unwrap_or_default();
    state.left.store(0, Ordering::Relaxed);
    serve(&mut service, Handler::Responds).await;
    let after = state.values.lock().unwrap()["http_server_requests_total"];
    assert_eq!(after - before, 1.0, "{case}: the next request");
    at.is_some()
}

async fn runs(persists: bool) {
    for handler in HANDLERS {
        let mut n = 1;
        while panics_at(n, handler, persists).await {
            n += 1;
        }
        assert!(n > 5, "{handler:?}: {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_leaves_everything_in_order() {
    runs(false).await;
    runs(true).await;
}

#[test]
fn a_slot_is_not_lost_when_the_saturated_seconds_cannot_be_registered() {
    let state = Arc::new(State::default());
    let limit = InFlightLimitLayer::new(1).with_recorder(Arc::new(Panicking(Arc::clone(&state))));
    let limited = limit.limit().unwrap();
    let mut service = limit.layer(service_fn(|_: Request<String>| {
        pending::<Result<Response<Frames>, &'static str>>()
    }));
    let future = service.call(Request::new(String::new()));
    // The clock of the layers is the processor's.
    std::thread::sleep(Duration::from_millis(1010));
    state.left.store(1, Ordering::Relaxed);
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    assert_eq!(limited.in_use(), 0);
    state.left.store(1, Ordering::Relaxed);
    let _ = catch_unwind(AssertUnwindSafe(|| {
        drop(service.call(Request::new(String::new())))
    }));
    assert_eq!(limited.in_use(), 0);
}

#[tokio::test]
async fn a_tunnel_that_could_not_be_counted_does_not_lower_the_gauge() {
    let state = Arc::new(State::default());
    let metrics = MetricsLayer::new().with_recorder(Arc::new(Panicking(Arc::clone(&state))));
    let mut kept = None;
    let mut service = metrics.layer(service_fn(|request: Request<String>| {
        kept = request.extensions().get::<UpgradeGuard>().cloned();
        assert!(kept.is_some());
        // The registration and the increment of the gauge follow those of the time to the head.
        state.left.store(4, Ordering::Relaxed);
        handle(Handler::Responds)
    }));
    let mut request = Request::connect("http://peer").body(String::new()).unwrap();
    *request.version_mut() = http::Version::HTTP_2;
    let mut future = Box::pin(service.call(request));
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    assert!(catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))).is_err());
    drop((future, service));
    assert_eq!(
        state.panicked_at.lock().unwrap().as_deref(),
        Some("increment http_server_upgraded_connections")
    );
    drop(kept);
    let values = state.values.lock().unwrap();
    assert_eq!(
        values
            .get("http_server_upgraded_connections")
            .copied()
            .unwrap_or_default(),
        0.0
    );
}

/// Text of a header that counts its owners.
struct Shared(&'static [u8], #[allow(dead_code, reason = "counts")] Arc<()>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_request_is_kept_after_its_end() {
    for handler in HANDLERS {
        let owners = Arc::new(());
        let value = |text: &'static [u8]| {
            let shared = Bytes::from_owner(Shared(text, Arc::clone(&owners)));
            http::HeaderValue::from_maybe_shared(shared).unwrap()
        };
        let deadline = DeadlineLayer::new().with_timeout(Duration::from_secs(1));
        let request_id = RequestIdLayer::new().with_extension(true);
        let layers = stack()
            .with_view_name(true)
            .with_deadline(deadline)
            .with_request_id(request_id);
        let inner = RequestIdLayer::new().layer(service_fn(move |_: Request<String>| handle(handler)));
        let service = layers.layer(inner);
        let mut service = service.map_request(move |mut request: Request<String>| {
            let headers = request.headers_mut();
            headers.insert("x-request-id", value(b"given"));
            headers.insert("traceparent", value(b"00-trace"));
            request
        });
        serve(&mut service, handler).await;
        drop(service);
        assert_eq!(Arc::strong_count(&owners), 1, "{handler:?}");
    }
}

/// Panics at one call of `enter` or `exit`.
struct PanickingSubscriber(AtomicI64);

impl PanickingSubscriber {
    fn call(&self) {
        assert_ne!(
            self.0.fetch_sub(1, Ordering::Relaxed),
            1,
            "on purpose: subscriber"
        );
    }
}

impl tracing::Subscriber for PanickingSubscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {
        self.call();
    }
    fn exit(&self, _: &tracing::span::Id) {
        self.call();
    }
}

#[tokio::test]
async fn a_subscriber_that_panics_leaves_no_context_current() {
    for handler in [Handler::Responds, Handler::Hangs, Handler::BodyDropped] {
        for n in 1..12 {
            let subscriber = PanickingSubscriber(AtomicI64::new(n));
            let _default = tracing::subscriber::set_default(subscriber);
            let mut service = stack().layer(service_fn(move |_: Request<String>| handle(handler)));
            serve(&mut service, handler).await;
            let case = format!("{handler:?}, call {n}");
            assert!(
                RequestContext::current().is_none(),
                "{case}: a context stays current"
            );
            let mut service =
                RequestIdLayer::new().layer(service_fn(move |_: Request<String>| handle(handler)));
            serve(&mut service, handler).await;
            assert!(
                RequestContext::current().is_none(),
                "{case}: a context stays current"
            );
        }
    }
}
