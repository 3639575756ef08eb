//! Begins a call for each request.

use std::{
    error::Error,
    sync::Arc,
    task::{Context, Poll},
};

use campanile_core::{grpc, method};
use http::{Method, Request, Response, uri::Authority};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ErrorItself, ErrorSource, ErrorSourceFn, ResponseBody, ResponseFuture,
    call::{self, Call},
    log,
    options::{Options, ViewHeader},
    table::{self, Table},
};
use crate::CallName;

/// Counts what goes out. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct MetricsLayer<W = ErrorItself, V = ErrorItself> {
    pub(super) table: &'static Table,
    // Nothing where all is as usual, so that a clone touches no reference count.
    pub(super) options: Option<Arc<Options>>,
    source: W,
    body_source: V,
}

impl MetricsLayer {
    /// Makes the layer, for the recorder that the process installs before the first call or later.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: &table::GLOBAL,
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
    /// Records to this recorder. Keeps a table of series for the life of the process: for a few layers, not for each call.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.table = Table::of(recorder);
        self
    }

    /// Counts calls to this authority, with its port if the URL has one, under a name of the host.
    #[must_use]
    pub fn with_host_name(mut self, authority: &str, name: &str) -> Self {
        self.options()
            .names
            .insert(authority.to_ascii_lowercase().into(), name.into());
        self
    }

    /// Names the host of requests that have a path alone, as those of a tonic client without an origin have.
    #[must_use]
    pub fn with_default_host(mut self, name: &str) -> Self {
        self.options().default_host = Some(name.into());
        self
    }

    /// Believes the `X-View-Name` of these hosts only, named as in the label; of nobody, if there are none.
    #[must_use]
    pub fn with_view_names_of<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.options().view_header = ViewHeader::Of(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how many hosts have a label of their own. Default: 200.
    #[must_use]
    pub fn with_host_limit(mut self, limit: usize) -> Self {
        self.options().hosts = limit;
        self
    }

    /// Sets how many views have a label of their own, of all hosts together. Default: 500.
    #[must_use]
    pub fn with_view_limit(mut self, limit: usize) -> Self {
        self.options().views = limit;
        self
    }

    /// Sets how many gRPC methods have a label of their own. Default: 500.
    #[must_use]
    pub fn with_rpc_method_limit(mut self, limit: usize) -> Self {
        self.options().rpc_methods = limit;
        self
    }

    /// Adds `http_request_method`, `http_response_status_code` and `error_type` to `http_client_requests_total`, and
    /// `http_request_method` to `http_client_active_requests`, for profiles whose metrics have them there. The status is
    /// empty where there was no head, the type where there was no error.
    ///
    /// Off by default: each host and view then has a counter for each combination.
    #[must_use]
    pub fn with_status_labels(mut self) -> Self {
        self.options().status_labels = true;
        self
    }

    /// Says where the sources of the service's error begin, for one that is no `Error`.
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

    /// Says where the sources of the body's error begin, for one that is no `Error`.
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

impl<S, W: Clone, V: Clone> Layer<S> for MetricsLayer<W, V> {
    type Service = Metrics<S, W, V>;

    fn layer(&self, inner: S) -> Self::Service {
        Metrics {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`MetricsLayer`]. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct Metrics<S, W = ErrorItself, V = ErrorItself> {
    inner: S,
    layer: MetricsLayer<W, V>,
}

impl<S, B, ResB, W, V> Service<Request<B>> for Metrics<S, W, V>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    ResB: Body,
    W: ErrorSource<S::Error>,
    V: ErrorSource<ResB::Error>,
{
    type Response = Response<ResponseBody<ResB, V>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, W, V>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.begin(&request) {
            Some(call) => ResponseFuture::call(&mut self.inner, request, call, self.layer.sources()),
            None => self.layer.call_apart(&mut self.inner, request),
        }
    }
}

impl<W: Clone, V: Clone> MetricsLayer<W, V> {
    fn sources(&self) -> (W, V) {
        (self.source.clone(), self.body_source.clone())
    }

    /// Begins a call that is like most; nothing for others, which are looked at apart.
    ///
    /// Here is what has to be inlined: where a request's place is handed to a function that is not, it has to be in
    /// memory of its own, and is copied once more on its way to the inner service.
    #[inline(always)]
    fn begin<B>(&self, request: &Request<B>) -> Option<Box<Call>> {
        let method = request.method();
        if self.options.is_some()
            || request.extensions().get::<CallName>().is_some()
            || *method == Method::POST && grpc::may_be_grpc(request.headers())
            || log::is_wanted()
        {
            return None;
        }
        let authority = request.uri().authority()?.as_str();
        Call::begin_usual(
            self.table,
            authority,
            request.uri().path(),
            method::number(method),
        )
    }

    /// Calls the inner service for a call that is not counted, or not like most.
    #[cold]
    fn call_apart<S, B>(&self, inner: &mut S, request: Request<B>) -> ResponseFuture<S::Future, W, V>
    where
        S: Service<Request<B>>,
    {
        let uri = request.uri();
        let authority = uri.authority().map_or("", Authority::as_str);
        let identity = call::identity(self.table, authority, uri.path());
        if identity.is_around() {
            return ResponseFuture::passing(inner.call(request), self.sources());
        }
        let call = Call::begin_apart(self.table, self.options.as_deref(), &request, identity);
        ResponseFuture::call(inner, request, call, self.sources())
    }
}
