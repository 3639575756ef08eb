//! The layer.

use std::{error::Error, sync::Arc};

use campanile_core::{
    clock,
    exchange::{Begin, ExchangeService, Observe, Observer},
    grpc, method,
};
use campanile_metrics::RecorderHandle;
use http::{Method, Request, uri::Authority};
use tower_layer::Layer;

use super::{
    BodyErrors, ErrorItself, ErrorSourceFn, MetricsService, ServiceErrors, log,
    observer::{CallObserver, layer_id},
    options::{Options, ViewHeader},
    table::OutboundSeries,
};
use crate::CallName;

/// Measures outgoing calls. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct MetricsLayer<W = ErrorItself, V = ErrorItself> {
    pub(super) table: &'static OutboundSeries,
    /// An option, so that the common clone touches no reference count.
    pub(super) options: Option<Arc<Options>>,
    source: W,
    body_source: V,
}

impl MetricsLayer {
    /// Makes a layer that records to the global recorder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: OutboundSeries::global(),
            options: None,
            source: ErrorItself,
            body_source: ErrorItself,
        }
    }
}

impl Default for MetricsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<W, V> MetricsLayer<W, V> {
    /// Records to this recorder instead of the global one.
    ///
    /// The series of a recorder are kept for the life of the process and shared by all layers that record to it.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.table = OutboundSeries::of(recorder.into());
        self
    }

    /// Sets the host name under which calls to this authority are counted. With the port, if URLs have one.
    #[must_use]
    pub fn with_host_name(mut self, authority: &str, name: &str) -> Self {
        self.options()
            .names
            .insert(authority.to_ascii_lowercase().into(), name.into());
        self
    }

    /// Sets the host name of requests without an authority, such as those of a tonic client without an origin.
    #[must_use]
    pub fn with_default_host(mut self, name: &str) -> Self {
        self.options().default_host = Some(name.into());
        self
    }

    /// Takes view names from the `X-View-Name` of these hosts only, spelt as in the label. Default: of all hosts.
    #[must_use]
    pub fn with_view_names_of<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.options().view_header = ViewHeader::Hosts(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how many hosts become label values. Default: 200.
    #[must_use]
    pub fn with_host_limit(mut self, limit: usize) -> Self {
        self.options().hosts = limit;
        self
    }

    /// Sets how many views become label values, of all hosts together. Default: 500.
    #[must_use]
    pub fn with_view_limit(mut self, limit: usize) -> Self {
        self.options().views = limit;
        self
    }

    /// Sets how many gRPC methods become label values. Default: 500.
    #[must_use]
    pub fn with_rpc_method_limit(mut self, limit: usize) -> Self {
        self.options().rpc_methods = limit;
        self
    }

    /// Sets whether `http_client_requests_total` carries `http_request_method`, `http_response_status_code` and
    /// `error_type`, and `http_client_active_requests` carries `http_request_method`, for profiles whose metrics do. The
    /// status is empty without a response head, the type without an error. Default: false; each host and view then has a
    /// counter for each combination.
    #[must_use]
    pub fn with_status_labels(mut self, on: bool) -> Self {
        self.options().status_labels = on;
        self
    }

    /// Sets where the chain of a service's error begins, for types that are not `Error`.
    ///
    /// ```
    /// type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// let layer = campanile_outbound::MetricsLayer::new()
    ///     .with_error_source(|error: &BoxError| Some(&**error as _));
    /// ```
    #[must_use]
    pub fn with_error_source<E>(
        self,
        first: fn(&E) -> Option<&(dyn Error + 'static)>,
    ) -> MetricsLayer<ErrorSourceFn<E>, V> {
        MetricsLayer {
            table: self.table,
            options: self.options,
            source: ErrorSourceFn(first),
            body_source: self.body_source,
        }
    }

    /// Sets where the chain of a body's error begins, for types that are not `Error`.
    #[must_use]
    pub fn with_body_error_source<E>(
        self,
        first: fn(&E) -> Option<&(dyn Error + 'static)>,
    ) -> MetricsLayer<W, ErrorSourceFn<E>> {
        MetricsLayer {
            table: self.table,
            options: self.options,
            source: self.source,
            body_source: ErrorSourceFn(first),
        }
    }

    fn options(&mut self) -> &mut Options {
        Arc::make_mut(self.options.get_or_insert_default())
    }
}

impl<W: Clone, V: Clone> MetricsLayer<W, V> {
    /// Returns the hooks that classify errors.
    pub(crate) fn error_hooks(&self) -> (ServiceErrors<W>, BodyErrors<V>) {
        (
            ServiceErrors(self.source.clone()),
            BodyErrors(self.body_source.clone()),
        )
    }
}

impl<W, V> MetricsLayer<W, V> {
    /// Begins a common call; `None` for calls that take the slow path.
    #[inline(always)]
    fn begin_common<B>(&self, request: &Request<B>) -> Option<CallObserver> {
        let method = request.method();
        if self.options.is_some()
            || request.extensions().get::<CallName>().is_some()
            // gRPC posts, so the method alone decides for most requests.
            || *method == Method::POST && grpc::may_be_grpc(request.headers())
            || log::is_enabled()
        {
            return None;
        }
        let authority = request.uri().authority()?.as_str();
        CallObserver::begin(
            self.table,
            authority,
            request.uri().path(),
            method::number(method),
        )
    }

    #[cold]
    fn begin_slow<B>(&self, request: &Request<B>) -> Begin<CallObserver> {
        let uri = request.uri();
        let authority = uri.authority().map_or("", Authority::as_str);
        let layer = layer_id(self.table, authority, uri.path());
        if layer.is_entered() {
            return Begin::Skip;
        }
        let options = self.options.as_deref();
        Begin::Observe(CallObserver::begin_slow(self.table, options, request, layer))
    }
}

impl<S, W: Clone, V: Clone> Layer<S> for MetricsLayer<W, V> {
    type Service = MetricsService<S, W, V>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        let (service_errors, body_errors) = self.error_hooks();
        ExchangeService::with_error_hooks(inner, self.clone(), service_errors, body_errors)
    }
}

impl<B, W, V> Observe<B> for MetricsLayer<W, V> {
    type Observer = CallObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<CallObserver> {
        match self.begin_common(request) {
            Some(call) => Begin::Observe(call),
            None => self.begin_slow(request),
        }
    }

    #[inline(always)]
    fn begin_fast(&self, request: &Request<B>) -> Option<Box<CallObserver>> {
        self.begin_common(request).map(Observer::boxed)
    }
}
