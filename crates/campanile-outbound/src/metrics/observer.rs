//! Records one call.

use std::{
    error::Error,
    fmt,
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

use campanile_core::{
    RequestContext,
    box_pool::BoxPool,
    clock::FastInstant,
    exchange::{End, EndReason, Observer},
    grpc::{self, Code},
    headers::view_name,
    in_flight::InFlightEntryRef,
    layer_id::LayerId,
    method,
};
use http::{
    Method, Request, Response, StatusCode,
    uri::{Authority, PathAndQuery},
};
use http_body::Body;

use super::{
    label_mode::LabelMode,
    log::CallLine,
    options::{self, Options, with_host},
    rpc::RpcSeries,
    table::{HostSeries, OutboundSeries},
    view::ViewSeries,
};
use crate::{
    CallName, DeadlineExceeded,
    failure::{self, Failure},
};

/// Records one call. See the [module docs](super).
pub struct CallObserver {
    table: &'static OutboundSeries,
    layer: LayerId,
    host: &'static HostSeries,
    view: Option<&'static ViewSeries>,
    rpc: Option<&'static RpcSeries>,
    cold: Option<Box<Cold>>,
    failure: Option<Failure>,
    /// The entry of the request being served, until the response head.
    entry: Option<InFlightEntryRef>,
    started: FastInstant,
    /// To the response head or to the error.
    seconds: f64,
    view_limit: u32,
    rpc_limit: u32,
    /// The status of the response head; 0 without one.
    status: u16,
    method: u8,
    code: Option<Code>,
    is_rpc: bool,
    has_head: bool,
    /// Whether the gRPC status was in the response head.
    status_in_head: bool,
    /// Whether the response may name the view.
    reads_view: bool,
    labels: LabelMode,
}

/// State that few calls have.
struct Cold {
    /// The path of the gRPC method, until the call proves that it is served.
    unproven_rpc: Option<PathAndQuery>,
    line: Option<CallLine>,
}

thread_local! {
    static POOL: BoxPool<CallObserver> = const { BoxPool::new() };
}

impl CallObserver {
    /// Begins a call on the fast path; `None` for a host that is not known by its authority, and inside an enclosing layer.
    // Not inlined: a layer's own code is small then, and the inner service can be inlined into it.
    #[inline(never)]
    pub(super) fn begin(
        table: &'static OutboundSeries,
        authority: &str,
        path: &str,
        method: u8,
    ) -> Option<Self> {
        let layer = layer_id(table, authority, path);
        if layer.is_entered() {
            return None;
        }
        let host = table.known_authority(authority)?;
        let labels = LabelMode::begin_plain(table.recorder, host);
        Some(Self {
            labels,
            ..Self::new(table, layer, host, method)
        })
    }

    /// Begins a call that may be a gRPC call, named by the caller, or subject to options.
    pub(super) fn begin_slow<B>(
        table: &'static OutboundSeries,
        options: Option<&Options>,
        request: &Request<B>,
        layer: LayerId,
    ) -> Self {
        let name = request.extensions().get::<CallName>();
        let (hosts, views, rpc_methods) = match options {
            None => (options::HOSTS, options::VIEWS, options::RPC_METHODS),
            Some(options) => (options.hosts, options.views, options.rpc_methods),
        };
        let host = find_host(table, options, name, request, hosts);
        let view = name
            .and_then(CallName::view)
            .map(|view| table.view(host, view, views));
        let path = request.uri().path_and_query();
        let is_rpc = *request.method() == Method::POST && grpc::is_grpc(request.headers()) && path.is_some();
        let rpc_name = Some(request.uri().path())
            .filter(|_| is_rpc)
            .and_then(grpc::method_name);
        let rpc = rpc_name.and_then(|name| table.known_rpc(name));
        let method = method::number(request.method());
        let cold = Cold {
            unproven_rpc: path.filter(|_| rpc_name.is_some() && rpc.is_none()).cloned(),
            line: CallLine::begin(request),
        };
        let cold = if cold.unproven_rpc.is_some() || cold.line.is_some() {
            Some(Box::new(cold))
        } else {
            None
        };
        Self {
            view,
            rpc,
            is_rpc,
            cold,
            labels: LabelMode::begin(table.recorder, options, host, method),
            reads_view: view.is_none() && options.is_none_or(|options| options.trusts_view_of(host.name)),
            view_limit: u32::try_from(views).unwrap_or(u32::MAX),
            rpc_limit: u32::try_from(rpc_methods).unwrap_or(u32::MAX),
            ..Self::new(table, layer, host, method)
        }
    }

    /// Writes the host to the table of requests in flight, and reads the clock.
    #[inline]
    fn new(table: &'static OutboundSeries, layer: LayerId, host: &'static HostSeries, method: u8) -> Self {
        let entry = RequestContext::current_entry();
        if let Some(entry) = entry {
            entry.set_calling(host.label);
        }
        Self {
            table,
            layer,
            host,
            view: None,
            rpc: None,
            cold: None,
            failure: None,
            entry,
            started: FastInstant::now(),
            seconds: 0.0,
            view_limit: options::VIEWS as u32,
            rpc_limit: options::RPC_METHODS as u32,
            status: 0,
            method,
            code: None,
            is_rpc: false,
            has_head: false,
            status_in_head: false,
            reads_view: true,
            labels: LabelMode::PlainInactive,
        }
    }

    /// Notes why the call failed. The first reason counts.
    #[cold]
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Notes the error that the call failed with, and its gRPC status.
    #[cold]
    pub(super) fn fail_with(&mut self, failure: Failure, error: Option<&(dyn Error + 'static)>) {
        self.fail(failure);
        if self.is_rpc {
            self.code.get_or_insert_with(|| failure::grpc_code(error));
        }
    }

    /// Finds the status of a gRPC call whose response head has none.
    #[cold]
    fn end_rpc(&mut self, end: &End<'_>) {
        if end.trailers.is_some_and(grpc::is_deadline_trailers) {
            self.fail(Failure::DEADLINE);
        }
        let in_trailers = end.trailers.and_then(Code::from_headers);
        let by_status = StatusCode::from_u16(self.status)
            .ok()
            .filter(|status| *status != StatusCode::OK)
            .map(Code::from_http_status);
        let dropped = (end.reason == EndReason::Dropped).then_some(Code::Cancelled);
        self.code = in_trailers.or(by_status).or(self.code).or(dropped);
    }

    /// Ends the wait for the response head.
    #[inline]
    fn end_wait(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.set_app();
        }
        self.seconds = self.started.seconds_until(FastInstant::now());
    }

    /// Ends a call without a response head.
    #[cold]
    fn end_without_head(&mut self, reason: EndReason) {
        self.end_wait();
        if reason != EndReason::Failed {
            self.fail(Failure::CANCELLED);
        }
        if reason != EndReason::Failed {
            self.code = Some(Code::Cancelled);
        }
    }

    /// Counts the call: the only place that does.
    #[inline]
    fn record_end(&mut self) {
        let recorder = self.table.recorder;
        let view = self.view.unwrap_or(&self.host.unnamed);
        if self.labels == LabelMode::Plain {
            if let Some(active) = self.host.active(recorder) {
                active.decrement(1.0);
            }
            view.count(recorder);
        } else {
            let error = self.failure.map_or("", |failure| failure.error_type.as_str());
            let values = (self.method, self.status, error);
            self.labels.end_slow(recorder, (self.host, view), values);
        }
        if self.status != 0 {
            view.record(recorder, self.method, self.status, self.seconds);
        }
        if let Some(failure) = self.failure {
            view.fail(recorder, failure, self.status);
        }
        if self.is_rpc || self.cold.is_some() || view.folded {
            self.record_end_slow(view);
        }
    }

    #[cold]
    fn record_end_slow(&mut self, view: &ViewSeries) {
        let mut folded = view.folded;
        if self.is_rpc {
            folded |= self.count_rpc();
        }
        if folded {
            self.table.count_folded();
        }
        if let Some(line) = self.cold.as_mut().and_then(|cold| cold.line.take()) {
            line.write(self.host.name, view.view, self.status, self.failure, self.seconds);
        }
    }

    /// Counts a gRPC call by its status, and returns whether its method was folded.
    fn count_rpc(&mut self) -> bool {
        let code = self.code.unwrap_or(Code::Unknown);
        let path = self.cold.as_mut().and_then(|cold| cold.unproven_rpc.take());
        let series = self.rpc.unwrap_or_else(|| {
            let proven = path.as_ref().filter(|_| code != Code::Unimplemented);
            let name = proven.and_then(|path| grpc::method_name(path.path()));
            self.table.rpc(name, self.rpc_limit as usize)
        });
        series.count(self.table.recorder, code);
        series.folded
    }
}

impl Observer for CallObserver {
    #[inline]
    fn enter(&mut self) {
        self.layer.enter();
    }

    #[inline]
    fn leave(&mut self) {
        LayerId::leave();
    }

    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        self.end_wait();
        self.has_head = true;
        let status = response.status();
        if (status == StatusCode::GATEWAY_TIMEOUT || self.is_rpc)
            && response.extensions().get::<DeadlineExceeded>().is_some()
        {
            self.fail(Failure::DEADLINE);
            self.code = Some(Code::DeadlineExceeded);
            self.status_in_head = true;
            return;
        }
        self.status = status.as_u16();
        if status.is_server_error() {
            self.failure = Some(Failure::HTTP);
        }
        if self.reads_view
            && let Some(name) = view_name(response.headers())
        {
            self.view = Some(self.table.view(self.host, name, self.view_limit as usize));
        }
        if self.is_rpc {
            self.code = Code::from_headers(response.headers());
            self.status_in_head = self.code.is_some();
        }
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        if !self.has_head {
            self.end_without_head(end.reason);
        } else if self.is_rpc && !self.status_in_head {
            self.end_rpc(&end);
        }
        self.record_end();
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(mut self: Box<Self>) {
        self.cold = None;
        BoxPool::recycle(&POOL, self);
    }
}

impl fmt::Debug for CallObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallObserver")
            .field("host", &self.host.name)
            .finish_non_exhaustive()
    }
}

/// Returns the id of the layer for one call, which keeps calls apart that are made within one another.
///
/// By the text of the URL and not by its address: the outer call's may be freed, and its memory used for the inner one's.
#[inline]
pub(super) fn layer_id(table: &'static OutboundSeries, authority: &str, path: &str) -> LayerId {
    static STATE: OnceLock<foldhash::fast::FixedState> = OnceLock::new();
    let state = STATE.get_or_init(foldhash::fast::FixedState::default);
    let mut hasher = state.build_hasher();
    hasher.write(authority.as_bytes());
    hasher.write(path.as_bytes());
    LayerId::of(table).with(hasher.finish() as usize)
}

/// Finds the series of the host of a call.
#[inline]
fn find_host<B>(
    table: &'static OutboundSeries,
    options: Option<&Options>,
    name: Option<&CallName>,
    request: &Request<B>,
    limit: usize,
) -> &'static HostSeries {
    // Options rename hosts for one layer, and the table belongs to all layers of the recorder.
    let authority = match (options, name.and_then(CallName::host)) {
        (None, None) => request.uri().authority().map(Authority::as_str),
        _ => None,
    };
    if let Some(host) = authority.and_then(|authority| table.known_authority(authority)) {
        return host;
    }
    let host = with_host(options, name, request.uri(), request.headers(), |name| {
        table.host(name, limit)
    });
    if let Some(authority) = authority {
        table.remember_authority(authority, host);
    }
    host
}
