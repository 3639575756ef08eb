//! The layer and its service.

use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use campanile_http::{clock, nesting::Identity};
use http::{Request, Response};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use super::{exchange, future::ResponseFuture};
use crate::{
    route,
    series::{self, ServerSeries},
};

/// Measures what comes in. See the [module docs](crate::metrics).
#[derive(Clone)]
pub struct MetricsLayer {
    config: Config,
}

/// Measures what comes in. See the [module docs](crate::metrics).
#[derive(Clone)]
pub struct Metrics<S> {
    inner: S,
    config: Config,
}

/// Copied with each service, so that cloning one touches no reference count; what few people set is behind a pointer.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) table: &'static ServerSeries,
    pub(super) limits: Limits,
    skipped: Option<Arc<HashSet<Box<str>>>>,
}

/// What of the configuration an exchange takes along.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) routes: u32,
    pub(super) rpcs: u32,
    pub(super) response_duration: bool,
    pub(super) body_sizes: bool,
    pub(super) h1_upgrade_guard: bool,
}

impl MetricsLayer {
    /// Makes a layer that records everything, to the recorder that the process installs.
    #[must_use]
    pub fn new() -> Self {
        let limits = Limits {
            routes: series::ROUTE_LIMIT,
            rpcs: series::RPC_LIMIT,
            response_duration: true,
            body_sizes: true,
            h1_upgrade_guard: false,
        };
        Self {
            config: Config {
                table: series::global(),
                limits,
                skipped: None,
            },
        }
    }

    /// Records to this recorder in place of the installed one.
    ///
    /// The table of a recorder's series stays for the life of the process; all layers of the recorder share it.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.config.table = series::of_recorder(recorder);
        self
    }

    /// Sets whether the time to the end of the exchange is recorded. On by default; off saves a clock read.
    #[must_use]
    pub fn with_response_duration(mut self, on: bool) -> Self {
        self.config.limits.response_duration = on;
        self
    }

    /// Sets whether the sizes of bodies are recorded. On by default.
    #[must_use]
    pub fn with_body_sizes(mut self, on: bool) -> Self {
        self.config.limits.body_sizes = on;
        self
    }

    /// Leaves the requests of a route uncounted, such as a health check's. Without a route the path is compared.
    #[must_use]
    pub fn with_skipped_route(mut self, route: impl Into<String>) -> Self {
        let skipped = self.config.skipped.get_or_insert_default();
        Arc::make_mut(skipped).insert(route.into().into_boxed_str());
        self
    }

    /// Sets how many routes become label values of their own; those that come later are `other`. Default 1,000.
    #[must_use]
    pub fn with_route_limit(mut self, routes: usize) -> Self {
        self.config.limits.routes = saturating(routes);
        self
    }

    /// Sets how many gRPC methods become label values of their own; those that come later are `other`. Default 500.
    #[must_use]
    pub fn with_rpc_limit(mut self, methods: usize) -> Self {
        self.config.limits.rpcs = saturating(methods);
        self
    }

    /// Puts an [`UpgradeGuard`](crate::UpgradeGuard) also into HTTP/1 requests that ask for an upgrade.
    ///
    /// For servers whose connections nobody counts; where the connection wrapper of `campanile-listen` is in use it
    /// counts those already.
    #[must_use]
    pub fn with_h1_upgrade_guard(mut self) -> Self {
        self.config.limits.h1_upgrade_guard = true;
        self
    }
}

/// Nobody has so many that it matters.
fn saturating(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

impl Default for MetricsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        Metrics {
            inner,
            config: self.config.clone(),
        }
    }
}

impl Config {
    #[inline]
    fn skips<B>(&self, request: &Request<B>) -> bool {
        let Some(skipped) = &self.skipped else {
            return false;
        };
        let route = route::of(request.extensions()).unwrap_or_else(|| request.uri().path());
        skipped.contains(route)
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Metrics<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
    ResB: Body,
{
    type Response = Response<super::ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if Identity::of(self.config.table).is_around() {
            exchange::tell_outer(&self.config, &request);
            return ResponseFuture::passing(&self.config, self.inner.call(request));
        }
        if self.config.skips(&request) {
            return ResponseFuture::passing(&self.config, self.inner.call(request));
        }
        let (mut ending, mut head) = exchange::begin(&self.config, &mut request);
        let inner = exchange::call(&mut ending, &mut head, || self.inner.call(request));
        ResponseFuture::counting(inner, ending, head)
    }
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer")
            .field("skipped", &self.config.skipped)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Metrics<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
