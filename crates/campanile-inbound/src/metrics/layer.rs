//! The layer and its service.

use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use campanile_core::{clock, nesting::LayerId};
use http::{Request, Response};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    exchange::{self, Exchange},
    future::ResponseFuture,
    settings::{self, Settings},
};
use crate::{route, series, upgrade};

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
struct Config {
    settings: &'static Settings,
    skipped: Option<Arc<HashSet<Box<str>>>>,
}

impl MetricsLayer {
    /// Makes a layer that records everything, to the recorder that the process installs.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: Config {
                settings: &settings::DEFAULT,
                skipped: None,
            },
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = *self.config.settings;
        change(&mut settings);
        self.config.settings = settings.keep();
        self
    }

    /// Records to this recorder in place of the installed one.
    ///
    /// The table of a recorder's series stays for the life of the process; all layers of the recorder share it.
    #[must_use]
    pub fn with_recorder(self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.with(|settings| settings.table = series::of_recorder(recorder))
    }

    /// Sets whether the time to the end of the exchange is recorded. On by default; off saves a clock read.
    #[must_use]
    pub fn with_response_duration(self, on: bool) -> Self {
        self.with(|settings| settings.at_end.response_duration = on)
    }

    /// Sets whether the sizes of bodies are recorded. On by default.
    #[must_use]
    pub fn with_body_sizes(self, on: bool) -> Self {
        self.with(|settings| settings.at_end.body_sizes = on)
    }

    /// Adds `http_response_status_code` and `outcome` to `http_server_response_duration_seconds` and to the sizes of
    /// bodies, for profiles whose metrics have them there. The status is empty where there was no head.
    ///
    /// Off by default: each of these metrics then has a histogram for each pair of the two.
    #[must_use]
    pub fn with_status_labels(self) -> Self {
        self.with(|settings| settings.status_labels = true)
    }

    /// Takes the route from the answer's `X-View-Name`, and from nothing else: without one that may be a label (1 to 64
    /// bytes of letters, digits and `_.:/{}*-`) the route is `other`, even where another is known.
    ///
    /// So talisker names what it serves. Names are bounded as routes are. Until the head of its answer a request is in
    /// flight as `other`.
    #[must_use]
    pub fn with_view_name_as_route(self) -> Self {
        self.with(|settings| settings.view_name_is_route = true)
    }

    /// Leaves the requests of a route uncounted, such as a health check's. Without a route the path is compared.
    #[must_use]
    pub fn with_skipped_route(mut self, route: impl Into<String>) -> Self {
        let skipped = self.config.skipped.get_or_insert_default();
        Arc::make_mut(skipped).insert(route.into().into_boxed_str());
        self.with(|settings| settings.apart = true)
    }

    /// Sets how many routes become label values of their own; those that come later are `other`. Default 1,000.
    #[must_use]
    pub fn with_route_limit(self, routes: usize) -> Self {
        self.with(|settings| settings.routes = saturating(routes))
    }

    /// Sets how many gRPC methods become label values of their own; those that come later are `other`. Default 500.
    #[must_use]
    pub fn with_rpc_limit(self, methods: usize) -> Self {
        self.with(|settings| settings.rpcs = saturating(methods))
    }

    /// Puts an [`UpgradeGuard`](crate::UpgradeGuard) also into HTTP/1 requests that ask for an upgrade.
    ///
    /// For servers whose connections nobody counts; where the connection wrapper of `campanile-listen` is in use it
    /// counts those already.
    #[must_use]
    pub fn with_h1_upgrade_guard(self) -> Self {
        self.with(|settings| settings.h1_upgrade_guard = true)
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
    fn skips<B>(&self, request: &Request<B>) -> bool {
        let Some(skipped) = &self.skipped else {
            return false;
        };
        let route = route::template(request.extensions()).unwrap_or_else(|| request.uri().path());
        skipped.contains(route)
    }

    /// Calls the inner service for a request that is not counted, or that is changed first.
    ///
    /// Apart from the others: a request that is only looked at need not be moved before it is handed on.
    #[cold]
    fn call_apart<S, B: Body>(&self, inner: &mut S, mut request: Request<B>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>>,
    {
        let settings = self.settings;
        let is_around = LayerId::of(settings.table).is_around();
        if is_around || self.skips(&request) {
            if is_around {
                exchange::tell_outer(settings, &request);
            }
            return ResponseFuture::passing(inner.call(request));
        }
        let upgrade = upgrade::watch(settings.table, &mut request, settings.h1_upgrade_guard);
        let exchange = Exchange::begin_apart(settings, &request, upgrade);
        ResponseFuture::call(inner, request, exchange)
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
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match exchange::begin(self.config.settings, &request) {
            Some(exchange) => ResponseFuture::call(&mut self.inner, request, exchange),
            None => self.config.call_apart(&mut self.inner, request),
        }
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
