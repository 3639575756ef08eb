//! The layer.

use std::{collections::HashSet, fmt, sync::Arc};

use campanile_core::{
    clock,
    exchange::{Begin, ExchangeService, Observe},
    grpc,
    layer_id::LayerId,
    method,
};
use campanile_metrics::RecorderHandle;
use http::{Method, Request};
use http_body::Body;
use tower_layer::Layer;

use super::{
    observer::{MetricsObserver, request_bytes},
    route_handoff,
    settings::{self, Settings},
};
use crate::{
    route::{self, KnownRoute},
    series::InboundSeries,
    upgrade,
    upload::Upload,
};

/// Measures incoming requests. See the [module docs](crate::metrics).
#[derive(Clone)]
pub struct MetricsLayer {
    settings: &'static Settings,
    /// An option, so that the common clone touches no reference count.
    skipped: Option<Arc<HashSet<Box<str>>>>,
}

impl MetricsLayer {
    /// Makes a layer that records every family to the global recorder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: &settings::DEFAULT,
            skipped: None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = *self.settings;
        change(&mut settings);
        self.settings = settings.intern();
        self
    }

    /// Records to this recorder instead of the global one.
    ///
    /// The series of a recorder are kept for the life of the process and shared by all layers that record to it.
    #[must_use]
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        self.with(|settings| settings.table = InboundSeries::of(recorder.into()))
    }

    /// Sets whether the time to the end of the exchange is recorded. Default: true; false saves a clock read.
    #[must_use]
    pub fn with_response_duration(self, on: bool) -> Self {
        self.with(|settings| settings.response_duration = on)
    }

    /// Sets whether the sizes of bodies are recorded. Default: true.
    #[must_use]
    pub fn with_body_sizes(self, on: bool) -> Self {
        self.with(|settings| settings.body_sizes = on)
    }

    /// Sets whether `http_server_response_duration_seconds` and the sizes of bodies carry
    /// `http_response_status_code` and `outcome`, for profiles whose metrics do. The status is empty without a response
    /// head. Default: false; each of these families then has a histogram for each pair of the two.
    #[must_use]
    pub fn with_status_labels(self, on: bool) -> Self {
        self.with(|settings| settings.status_labels = on)
    }

    /// Sets whether the route is the response's `X-View-Name`, and nothing else. Default: false.
    ///
    /// Without a view name that can be a label (1 to 64 bytes of letters, digits and `_.:/{}*-`) the route is `other`, even
    /// if another one is known. talisker names its endpoints this way. Until the response head a request is in flight as
    /// `other`.
    #[must_use]
    pub fn with_view_name_as_route(self, on: bool) -> Self {
        self.with(|settings| settings.view_name_is_route = on)
    }

    /// Leaves the requests of a route uncounted, such as health checks. Compared with the path if there is no route.
    #[must_use]
    pub fn with_skipped_route(mut self, route: impl Into<String>) -> Self {
        let skipped = self.skipped.get_or_insert_default();
        Arc::make_mut(skipped).insert(route.into().into_boxed_str());
        self.with(|settings| settings.skips_routes = true)
    }

    /// Sets how many routes become label values; later ones are `other`. Default: 1,000.
    #[must_use]
    pub fn with_route_limit(self, routes: usize) -> Self {
        self.with(|settings| settings.routes = saturating(routes))
    }

    /// Sets how many gRPC methods become label values; later ones are `other`. Default: 500.
    #[must_use]
    pub fn with_rpc_limit(self, methods: usize) -> Self {
        self.with(|settings| settings.rpcs = saturating(methods))
    }

    /// Sets whether HTTP/1 requests for an upgrade get an [`UpgradeGuard`](crate::UpgradeGuard) too. Default: false.
    ///
    /// For servers that do not count their connections; the connection wrapper of `campanile-listen` counts HTTP/1
    /// upgrades by itself.
    #[must_use]
    pub fn with_h1_upgrade_guard(self, on: bool) -> Self {
        self.with(|settings| settings.h1_upgrade_guard = on)
    }

    fn skips<B>(&self, request: &Request<B>) -> bool {
        let Some(skipped) = &self.skipped else {
            return false;
        };
        let route = route::template(request.extensions()).unwrap_or_else(|| request.uri().path());
        skipped.contains(route)
    }

    /// Begins a common exchange with `begin`; `None` for requests that take the slow path.
    #[inline(always)]
    fn begin_common<B: Body, O>(
        &self,
        request: &Request<B>,
        begin: impl FnOnce(&'static Settings, u8, Option<KnownRoute<'_>>, u64) -> O,
    ) -> Option<O> {
        let settings = self.settings;
        let method = request.method();
        if settings.slow
            || *method == Method::CONNECT
            // gRPC posts, so the method alone decides for most requests.
            || *method == Method::POST && grpc::may_be_grpc(request.headers())
            || LayerId::of(settings.table).is_entered()
        {
            return None;
        }
        let number = method::number(method);
        let route = KnownRoute::of(request.extensions());
        Some(begin(settings, number, route, request_bytes(request)))
    }

    #[cold]
    fn begin_slow<B: Body + 'static>(&self, request: &mut Request<B>) -> Begin<MetricsObserver> {
        let settings = self.settings;
        let method = method::number(request.method());
        if LayerId::of(settings.table).is_entered() {
            // The enclosing layer counts; around an axum router it cannot see the route.
            if let Some(route) = KnownRoute::of(request.extensions()) {
                let found = settings.table.find_route(method, route, settings.routes as usize);
                route_handoff::give(settings.table, found);
            }
            return Begin::Skip;
        }
        if self.skips(request) {
            return Begin::Skip;
        }
        let upgrade = upgrade::watch(settings.table, request, settings.h1_upgrade_guard);
        let mut observer = MetricsObserver::begin_slow(settings, method, request, upgrade);
        observer.watch_upload(request);
        Begin::Observe(observer)
    }
}

fn saturating(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

impl Default for MetricsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = ExchangeService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        ExchangeService::new(inner, self.clone())
    }
}

impl<B: Body + 'static> Observe<B> for MetricsLayer {
    type Observer = MetricsObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<MetricsObserver> {
        match self.begin_common(request, MetricsObserver::begin) {
            Some(mut observer) => {
                observer.watch_upload(request);
                Begin::Observe(observer)
            }
            None => self.begin_slow(request),
        }
    }

    #[inline(always)]
    fn begin_fast(&self, request: &Request<B>) -> Option<Box<MetricsObserver>> {
        if Upload::watches::<B>() && request_bytes(request) != 0 {
            return None;
        }
        self.begin_common(request, MetricsObserver::begin_boxed)
    }
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer")
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}
