//! Layers around the application, in several setups.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use campanile_inbound::{
    DeadlineLayer, InFlightLimitLayer, Limit, MetricsLayer, RequestIdLayer, Route, Stack, stack,
};
use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, timeout::TimeoutLayer, util::BoxCloneService,
};

use crate::{app::TestApp, recorder::TestRecorder};

/// The layers around the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerSetup {
    /// `stack()`.
    Stack,
    /// `stack()`, on a server that allows half-closed connections.
    StackHalfClose,
    /// Request IDs and metrics, without panic catching.
    Bare,
    /// `catch_unwind` outside the metrics layer.
    CatchOutside,
    /// A tower timeout outside the metrics layer.
    TimeoutOutside,
    /// A tower timeout inside the metrics layer, which returns an error.
    TimeoutInside,
    /// `stack()` with a timeout.
    Deadline,
    /// `stack()` with a limit of zero requests in flight.
    Full,
    /// `stack()` with a limit of a few requests in flight.
    Limited,
}

impl LayerSetup {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Stack,
        Self::StackHalfClose,
        Self::Bare,
        Self::CatchOutside,
        Self::TimeoutOutside,
        Self::TimeoutInside,
        Self::Deadline,
        Self::Full,
        Self::Limited,
    ];
}

/// The timeout of the setups that have one.
const TIMEOUT: Duration = Duration::from_millis(10);

/// The limit of [`LayerSetup::Limited`].
const FEW: usize = 4;

/// The service of a connection.
pub(super) type BoxedApp = BoxCloneService<Request<Incoming>, Response<Body>, BoxError>;

/// The layers that the servers of one recorder share.
#[derive(Debug, Clone)]
pub struct SharedLayers {
    recorder: &'static TestRecorder,
    ids: RequestIdLayer,
    metrics: MetricsLayer,
    deadline: DeadlineLayer,
    full: InFlightLimitLayer,
    few: InFlightLimitLayer,
    started: Arc<AtomicU64>,
}

impl SharedLayers {
    /// Makes layers that record to `recorder`.
    #[must_use]
    pub fn new(recorder: &'static TestRecorder) -> Self {
        Self {
            recorder,
            ids: RequestIdLayer::new().with_recorder(recorder),
            metrics: MetricsLayer::new().with_recorder(recorder),
            deadline: DeadlineLayer::new().with_recorder(recorder),
            full: InFlightLimitLayer::new(0).with_recorder(recorder),
            few: InFlightLimitLayer::new(FEW)
                .with_name("few")
                .with_recorder(recorder),
            started: Arc::default(),
        }
    }

    /// Returns the recorder.
    #[must_use]
    pub fn recorder(&self) -> &'static TestRecorder {
        self.recorder
    }

    /// Returns the request ID that all requests to these layers carry.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:p}", self.recorder)
    }

    /// Returns the number of requests that reached the layers.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::SeqCst)
    }

    /// Returns the limit of [`LayerSetup::Limited`].
    #[must_use]
    pub fn few(&self) -> Limit {
        self.few.limit().expect("made with a limit")
    }

    fn stack(&self) -> Stack {
        stack()
            .with_request_id(self.ids)
            .with_metrics(self.metrics.clone())
            .with_deadline(self.deadline)
    }

    /// Puts the layers around the application.
    pub(super) fn around(&self, app: TestApp, setup: LayerSetup) -> BoxedApp {
        let bare = ServiceBuilder::new().layer(self.ids).layer(self.metrics.clone());
        let timeout = TimeoutLayer::new(TIMEOUT);
        let inner = match setup {
            LayerSetup::Stack | LayerSetup::StackHalfClose => boxed(self.stack().layer(app)),
            LayerSetup::Deadline => boxed(
                self.stack()
                    .with_deadline(self.deadline.with_timeout(TIMEOUT))
                    .layer(app),
            ),
            LayerSetup::Full => boxed(self.stack().with_in_flight_limit(self.full.clone()).layer(app)),
            LayerSetup::Limited => boxed(self.stack().with_in_flight_limit(self.few.clone()).layer(app)),
            LayerSetup::Bare => boxed(bare.service(app)),
            LayerSetup::CatchOutside => boxed(CatchPanic(bare.service(app))),
            LayerSetup::TimeoutOutside => boxed(timeout.layer(bare.service(app))),
            LayerSetup::TimeoutInside => boxed(bare.service(timeout.layer(app))),
        };
        let started = Arc::clone(&self.started);
        BoxCloneService::new(inner.map_request(move |mut request: Request<Incoming>| {
            started.fetch_add(1, Ordering::SeqCst);
            name_route(&mut request);
            request
        }))
    }
}

/// Names the route of known paths, except for gRPC methods, which name themselves.
fn name_route<B>(request: &mut Request<B>) {
    let path = request.uri().path();
    if !path.starts_with("/pkg.") && !path.starts_with("/unknown") {
        let route = if path.starts_with("/any/") {
            "/any/{rest}"
        } else {
            path
        };
        let route = Route::new(route.to_owned());
        request.extensions_mut().insert(route);
    }
}

fn boxed<S, B>(service: S) -> BoxedApp
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service.map_response(|response: Response<B>| response.map(Body::new));
    BoxCloneService::new(service.map_err(Into::into))
}

/// Turns a panic in `call` or in the future into an error.
#[derive(Clone)]
struct CatchPanic<S>(S);

impl<S, R> Service<R> for CatchPanic<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Ok(future) = catch_unwind(AssertUnwindSafe(|| self.0.call(request))) else {
            return Box::pin(async { Err("caught outside".into()) });
        };
        let caught = AssertUnwindSafe(future).catch_unwind();
        Box::pin(async { caught.await.unwrap_or_else(|_| Err("caught outside".into())) })
    }
}
