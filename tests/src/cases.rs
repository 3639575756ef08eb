//! The measured cases: a trivial service, bare and under each layer.
//!
//! A request has three headers; the service answers at once with one header and eleven bytes. As hyper does, the
//! service is cloned for each request; the body is read to its end and everything is dropped. No sockets, no
//! runtime. The recorder does nothing, so what is left is the layers' own share.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use axum::{Router, extract::Path, routing::get};
use bytes::Bytes;
use campanile_client::PropagateLayer;
use campanile_http::{
    RequestContext, RequestId,
    body::{Asked, BodyEnd, OnBodyEnd, TrackedBody, track},
    clock::Mark,
    headers::X_REQUEST_ID,
    nesting::Identity,
};
use campanile_server::{ConcurrencyLimitLayer, DeadlineLayer, MetricsLayer, RequestIdLayer, Route, stack};
use futures_util::TryFutureExt;
use http::{
    Extensions, HeaderValue, Request, Response,
    header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body::Body;
use http_body_util::{Empty, Full};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tower::{Layer, Service};

use crate::{
    floor::{Floor, Handles},
    worn,
};

/// A case: does one request.
pub struct Case {
    /// What it measures.
    pub name: &'static str,
    /// The case whose time is taken off.
    pub baseline: &'static str,
    /// Does one request.
    pub run: Box<dyn FnMut()>,
}

/// A recorder whose handles are there, and do nothing.
struct Idle;

impl CounterFn for Idle {
    fn increment(&self, _: u64) {}
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Idle {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, _: f64) {}
}

impl HistogramFn for Idle {
    fn record(&self, _: f64) {}
}

impl Recorder for Idle {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Self))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Self))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Self))
    }
}

static IDLE: Idle = Idle;

#[derive(Clone)]
pub(crate) struct Trivial;

impl<B> Service<Request<B>> for Trivial {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(request);
        ready(Ok(answer()))
    }
}

fn answer() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello world")));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A layer that does nothing.
#[derive(Clone)]
struct NoOpLayer;

#[derive(Clone)]
struct NoOp<S>(S);

impl<S> Layer<S> for NoOpLayer {
    type Service = NoOp<S>;

    fn layer(&self, inner: S) -> NoOp<S> {
        NoOp(inner)
    }
}

impl<S: Service<R>, R> Service<R> for NoOp<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// A layer that only learns of the end of the body.
#[derive(Clone)]
struct Tracking<S>(S);

/// Nothing to do at the end.
struct Unmoved;

impl OnBodyEnd for Unmoved {
    fn on_body_end(&mut self, end: BodyEnd<'_>) {
        std::hint::black_box(end.bytes);
    }
}

impl<S, R, B> Service<R> for Tracking<S>
where
    S: Service<R, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    type Response = Response<TrackedBody<B, Unmoved>>;
    type Error = Infallible;
    type Future = futures_util::future::MapOk<S::Future, fn(S::Response) -> Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0
            .call(request)
            .map_ok(|response| track(response, Asked::Other, Unmoved))
    }
}

fn request(path: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("example.test"));
    headers.insert(USER_AGENT, HeaderValue::from_static("bench"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    request
}

fn with_id(mut request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    let id = HeaderValue::from_static("0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40");
    request.headers_mut().insert(X_REQUEST_ID, id);
    request
}

/// Polls to the end what is never pending.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// Names the body of a response, so that a bound can be written in one line.
pub(crate) trait IntoBody {
    type Body: Body;
    fn into_response(self) -> Response<Self::Body>;
}

impl<B: Body> IntoBody for Response<B> {
    type Body = B;
    fn into_response(self) -> Self {
        self
    }
}

fn serve<S>(service: &S, request: Request<Empty<Bytes>>)
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone,
{
    let mut service = service.clone();
    let Ok(response) = finish(service.call(request)) else {
        unreachable!("nothing here fails")
    };
    let mut body = std::pin::pin!(response.into_response().into_body());
    while !body.is_end_stream() {
        let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) else {
            break;
        };
    }
}

pub(crate) fn case<S>(
    name: &'static str,
    baseline: &'static str,
    service: S,
    request: fn() -> Request<Empty<Bytes>>,
) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    Case {
        name,
        baseline,
        run: Box::new(move || serve(&service, request())),
    }
}

/// A case without a request, to tell what the others are made of.
fn micro(name: &'static str, run: impl FnMut() + 'static) -> Case {
    Case {
        name,
        baseline: "micro: nothing",
        run: Box::new(run),
    }
}

static IDLE_IDENTITY: u8 = 0;

/// The handles of the floor, which are there from the beginning.
fn floor_handles() -> &'static Handles {
    Box::leak(Box::new(Handles {
        count: Counter::from_arc(Arc::new(Idle)),
        duration: Histogram::from_arc(Arc::new(Idle)),
        active: Gauge::from_arc(Arc::new(Idle)),
    }))
}

pub(crate) fn plain() -> Request<Empty<Bytes>> {
    request("/users/7")
}

pub(crate) fn identified() -> Request<Empty<Bytes>> {
    with_id(plain())
}

fn count_duration_active() -> MetricsLayer {
    MetricsLayer::new()
        .with_recorder(&IDLE)
        .with_response_duration(false)
        .with_body_sizes(false)
}

pub(crate) fn all_families() -> MetricsLayer {
    MetricsLayer::new().with_recorder(&IDLE)
}

/// A router made as the serving loop sees it, with the route's layers built.
fn router(layered: impl FnOnce(Router) -> Router) -> Router {
    layered(Router::new().route("/users/{id}", get(user))).with_state(())
}

async fn user(Path(_): Path<String>) -> &'static str {
    "hello world"
}

/// A call to another service, under its bare client's name.
fn outgoing() -> Request<Empty<Bytes>> {
    request("http://stock.internal/items/7")
}

/// A case whose calls are made while a request is served.
pub(crate) fn within_request<S>(name: &'static str, baseline: &'static str, service: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    let context = RequestContext::new("0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40".parse().unwrap());
    let run = move || context.clone().sync_scope(|| serve(&service, outgoing()));
    Case {
        name,
        baseline,
        run: Box::new(run),
    }
}

pub(crate) fn outgoing_metrics() -> campanile_client::MetricsLayer {
    campanile_client::MetricsLayer::new().with_recorder(&IDLE)
}

/// A case whose requests name one of so many routes, drawn at random.
fn among_routes<S>(name: &'static str, baseline: &'static str, routes: usize, service: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    let names: Vec<&'static str> = (0..routes)
        .map(|n| &*Box::leak(format!("/tenants/{{id}}/items/{n}").into_boxed_str()))
        .collect();
    let mut draw = fastrand::Rng::with_seed(7);
    let run = move || {
        let mut request = plain();
        request
            .extensions_mut()
            .insert(Route::new(names[draw.usize(..names.len())]));
        serve(&service, request);
    };
    Case {
        name,
        baseline,
        run: Box::new(run),
    }
}

/// All cases; each follows the baseline that it is compared to.
pub fn all() -> Vec<Case> {
    let tower = "tower: bare";
    let identified_tower = "tower: bare, id in the request";
    let axum = "axum: layer that does nothing";
    let mut all = vec![
        micro("micro: nothing", || ()),
        micro("micro: two reads of the clock", || {
            let start = Mark::now();
            std::hint::black_box(start.seconds_until(Mark::now()));
        }),
        micro("micro: two reads of std's clock", || {
            std::hint::black_box(std::time::Instant::now().elapsed().as_secs_f64());
        }),
        micro("micro: enter and leave a nesting, twice", {
            let identity = Identity::of(&IDLE_IDENTITY);
            move || {
                drop(std::hint::black_box(identity.enter()));
                drop(std::hint::black_box(identity.enter()));
            }
        }),
        micro("micro: look for a context", || {
            std::hint::black_box(RequestContext::with_current(|context| context.is_some()));
        }),
        micro("micro: a context in extensions, and current", {
            let id: RequestId = "0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40".parse().unwrap();
            move || {
                let context = RequestContext::new(id.clone());
                let mut extensions = Extensions::new();
                extensions.insert(context.clone());
                context.sync_scope(|| std::hint::black_box(&mut extensions).len());
            }
        }),
        case(tower, tower, Trivial, plain),
        case(
            "tower: layer that does nothing",
            tower,
            NoOpLayer.layer(Trivial),
            plain,
        ),
        case(
            "tower: body tracked, nothing counted",
            tower,
            Tracking(Trivial),
            plain,
        ),
        case(
            "tower: floor: count, duration, active",
            tower,
            Floor {
                inner: Trivial,
                handles: floor_handles(),
            },
            plain,
        ),
        case(
            "tower: metrics: count, duration, active",
            tower,
            count_duration_active().layer(Trivial),
            plain,
        ),
        case(
            "tower: metrics: every family",
            tower,
            all_families().layer(Trivial),
            plain,
        ),
        case(
            "tower: concurrency limit",
            tower,
            ConcurrencyLimitLayer::new(512)
                .with_recorder(&IDLE)
                .layer(Trivial),
            plain,
        ),
        case(
            "tower: deadline layer, no deadline",
            tower,
            DeadlineLayer::new().layer(Trivial),
            plain,
        ),
        case(identified_tower, identified_tower, Trivial, identified),
        case(
            "tower: id taken, scoped, echoed",
            identified_tower,
            RequestIdLayer::new().layer(Trivial),
            identified,
        ),
        case(
            "tower: id taken, not in the table",
            identified_tower,
            RequestIdLayer::new().without_table().layer(Trivial),
            identified,
        ),
        case(
            "tower: id generated, scoped, echoed",
            tower,
            RequestIdLayer::new().layer(Trivial),
            plain,
        ),
        case(
            "tower: stack(), every family",
            identified_tower,
            stack().with_metrics(all_families()).layer(Trivial),
            identified,
        ),
        among_routes(
            "tower: bare, 1 route named",
            "tower: bare, 1 route named",
            1,
            Trivial,
        ),
        among_routes(
            "tower: metrics, 1 route",
            "tower: bare, 1 route named",
            1,
            count_duration_active().layer(Trivial),
        ),
        among_routes(
            "tower: bare, 10,000 routes named",
            "tower: bare, 10,000 routes named",
            10_000,
            Trivial,
        ),
        among_routes(
            "tower: metrics, 10,000 routes",
            "tower: bare, 10,000 routes named",
            10_000,
            count_duration_active().with_route_limit(20_000).layer(Trivial),
        ),
        within_request("client: bare", "client: bare", Trivial),
        within_request(
            "client: metrics",
            "client: bare",
            outgoing_metrics().layer(Trivial),
        ),
        within_request(
            "client: id composed and sent",
            "client: bare",
            PropagateLayer::new().layer(Trivial),
        ),
        within_request(
            "client: metrics, id composed and sent",
            "client: bare",
            outgoing_metrics().layer(PropagateLayer::new().layer(Trivial)),
        ),
        case("axum: bare", "axum: bare", router(|router| router), plain),
        case(
            axum,
            "axum: bare",
            router(|router| router.layer(NoOpLayer)),
            plain,
        ),
        case(
            "axum: metrics: count, duration, active",
            "axum: bare",
            router(|router| router.layer(count_duration_active())),
            plain,
        ),
        case(
            "axum: metrics: every family",
            "axum: bare",
            router(|router| router.layer(all_families())),
            plain,
        ),
        case(
            "axum: stack(), every family",
            "axum: bare",
            router(|router| router.layer(stack().with_metrics(all_families()))),
            plain,
        ),
    ];
    all.extend(worn::cases());
    all
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
