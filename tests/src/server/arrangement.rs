//! The layers in several arrangements.

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

use crate::{app::App, tally::Tally};

/// How the layers stand around the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arrangement {
    /// `stack()`.
    Stack,
    /// `stack()`, on a connection whose client may close its half.
    StackHalfClose,
    /// Ids and metrics, nothing that catches a panic.
    Bare,
    /// A `catch_unwind` around the metrics layer.
    CatchOutside,
    /// A timeout of tower around the metrics layer.
    TimeoutOutside,
    /// A timeout of tower inside the metrics layer, which yields an error.
    TimeoutInside,
    /// `stack()` with a timeout.
    Deadline,
    /// `stack()` without a free slot.
    Full,
    /// `stack()` with few slots.
    Limited,
}

impl Arrangement {
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

/// The time after which the arrangements with a timeout give up on a handler that never answers.
const TIMEOUT: Duration = Duration::from_millis(10);

/// Slots of [`Arrangement::Limited`].
const FEW: usize = 4;

/// What a connection is served by.
pub(super) type Served = BoxCloneService<Request<Incoming>, Response<Body>, BoxError>;

/// The layers that all servers of one recorder share.
#[derive(Debug, Clone)]
pub struct Layers {
    tally: &'static Tally,
    ids: RequestIdLayer,
    metrics: MetricsLayer,
    deadline: DeadlineLayer,
    full: InFlightLimitLayer,
    few: InFlightLimitLayer,
    started: Arc<AtomicU64>,
}

impl Layers {
    /// Makes the layers, all to record to `tally`.
    #[must_use]
    pub fn new(tally: &'static Tally) -> Self {
        Self {
            tally,
            ids: RequestIdLayer::new().with_recorder(tally),
            metrics: MetricsLayer::new().with_recorder(tally),
            deadline: DeadlineLayer::new().with_recorder(tally),
            full: InFlightLimitLayer::new(0).with_recorder(tally),
            few: InFlightLimitLayer::new(FEW).with_name("few").with_recorder(tally),
            started: Arc::default(),
        }
    }

    /// Returns the recorder.
    #[must_use]
    pub fn tally(&self) -> &'static Tally {
        self.tally
    }

    /// Returns the id that all requests to these layers carry.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:p}", self.tally)
    }

    /// Returns how many requests reached the layers.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::SeqCst)
    }

    /// Returns the limit of [`Arrangement::Limited`].
    #[must_use]
    pub fn few(&self) -> Limit {
        self.few.limit().expect("made with a limit")
    }

    fn stack(&self) -> Stack {
        stack()
            .with_request_id(self.ids.clone())
            .with_metrics(self.metrics.clone())
            .with_deadline(self.deadline)
    }

    /// Puts the layers around the application.
    pub(super) fn around(&self, app: App, arrangement: Arrangement) -> Served {
        let bare = ServiceBuilder::new()
            .layer(self.ids.clone())
            .layer(self.metrics.clone());
        let timeout = TimeoutLayer::new(TIMEOUT);
        let inner = match arrangement {
            Arrangement::Stack | Arrangement::StackHalfClose => boxed(self.stack().layer(app)),
            Arrangement::Deadline => boxed(
                self.stack()
                    .with_deadline(self.deadline.with_timeout(TIMEOUT))
                    .layer(app),
            ),
            Arrangement::Full => boxed(self.stack().with_in_flight_limit(self.full.clone()).layer(app)),
            Arrangement::Limited => boxed(self.stack().with_in_flight_limit(self.few.clone()).layer(app)),
            Arrangement::Bare => boxed(bare.service(app)),
            Arrangement::CatchOutside => boxed(CatchAround(bare.service(app))),
            Arrangement::TimeoutOutside => boxed(timeout.layer(bare.service(app))),
            Arrangement::TimeoutInside => boxed(bare.service(timeout.layer(app))),
        };
        let started = Arc::clone(&self.started);
        BoxCloneService::new(inner.map_request(move |mut request: Request<Incoming>| {
            started.fetch_add(1, Ordering::SeqCst);
            name_route(&mut request);
            request
        }))
    }
}

/// Names the route of what the application knows, but of no gRPC method: those name themselves.
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

fn boxed<S, B>(service: S) -> Served
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

/// Makes an error of a panic, of the call as well as of the future.
#[derive(Clone)]
struct CatchAround<S>(S);

impl<S, R> Service<R> for CatchAround<S>
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
