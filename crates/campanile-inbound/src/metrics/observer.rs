//! Records one exchange.

use std::{fmt, sync::Arc};

use campanile_core::{
    Outcome, RequestContext,
    box_pool::BoxPool,
    clock::FastInstant,
    exchange::{ClientLeft, End, EndReason, Observer},
    grpc::{self, Code},
    headers,
    layer_id::LayerId,
};
use http::{Request, Response, StatusCode, Version, uri::PathAndQuery};
use http_body::Body;

use super::{
    cold::Cold,
    flags::{
        ACTIVE, BODY_SIZES, CLIENT_LEFT, ExchangeFlags, RESPONSE_DURATION, ROUTE_KNOWN, RPC, SLOW_END,
        SLOW_OUTCOME, SLOW_RESPONSE, STATUS_LABELS, UPLOAD, VIEW,
    },
    route_handoff,
    settings::Settings,
};
use crate::{
    route::{KnownRoute, Route},
    series::{EndLabels, ResponseLabels, RouteSeries, RpcSeries},
    upgrade::UpgradeWatch,
    upload::Upload,
};

/// Records one exchange. See the [module docs](super).
pub struct MetricsObserver {
    settings: &'static Settings,
    series: &'static RouteSeries,
    rpc: Option<&'static RpcSeries>,
    started: FastInstant,
    /// [`UNKNOWN_SIZE`] if the request does not say.
    request_bytes: u64,
    flags: ExchangeFlags,
    cold: Option<Box<Cold>>,
    /// The request body, if it is watched.
    upload: Option<Arc<Upload>>,
}

const UNKNOWN_SIZE: u64 = u64::MAX;

thread_local! {
    static POOL: BoxPool<MetricsObserver> = const { BoxPool::new() };
}

/// Returns the size of a request body, if the request says.
#[inline]
pub(super) fn request_bytes<B: Body>(request: &Request<B>) -> u64 {
    request.body().size_hint().exact().unwrap_or(UNKNOWN_SIZE)
}

impl MetricsObserver {
    /// Begins an exchange on the fast path, in its box.
    // Not inlined: a layer's own code is small then, and the inner service can be inlined into it.
    #[inline(never)]
    pub(super) fn begin_boxed(
        settings: &'static Settings,
        method: u8,
        route: Option<KnownRoute<'_>>,
        request_bytes: u64,
    ) -> Box<Self> {
        Self::begin(settings, method, route, request_bytes).boxed()
    }

    /// Begins an exchange on the fast path.
    #[inline(always)]
    pub(super) fn begin(
        settings: &'static Settings,
        method: u8,
        route: Option<KnownRoute<'_>>,
        request_bytes: u64,
    ) -> Self {
        let mut flags = settings.flags.with_method(method);
        let series = match route {
            Some(route) => {
                flags.set(ROUTE_KNOWN, true);
                settings.table.route(method, route, settings.routes as usize)
            }
            None => settings.table.other_route(method),
        };
        Self::with_series(settings, (series, None), request_bytes, flags, None)
    }

    /// Begins an exchange that may be a gRPC call or an upgrade, or whose route is the view name of the response.
    pub(super) fn begin_slow<B: Body>(
        settings: &'static Settings,
        method: u8,
        request: &Request<B>,
        upgrade: Option<UpgradeWatch>,
    ) -> Self {
        let table = settings.table;
        let mut flags = settings.flags.with_method(method);
        let is_rpc = *request.method() == http::Method::POST && grpc::is_grpc(request.headers());
        flags.set(RPC, is_rpc);
        let route = KnownRoute::of(request.extensions());
        let rpc_name = Some(request.uri().path())
            .filter(|_| is_rpc && request.version() == Version::HTTP_2)
            .and_then(grpc::method_name);
        let rpc = rpc_name.and_then(|name| {
            if route.is_some_and(KnownRoute::is_exact) {
                return Some(table.rpc(name, settings.rpcs as usize));
            }
            table.known_rpc(name)
        });
        let series = match (route, rpc) {
            _ if flags.has(VIEW) => table.other_route(method),
            (Some(route), _) => {
                flags.set(ROUTE_KNOWN, true);
                table.route(method, route, settings.routes as usize)
            }
            (None, Some(rpc)) => {
                flags.set(ROUTE_KNOWN, true);
                table.rpc_route(method, rpc)
            }
            (None, None) => table.other_route(method),
        };
        let unproven_rpc = request
            .uri()
            .path_and_query()
            .filter(|_| rpc_name.is_some() && rpc.is_none())
            .cloned();
        let cold = if unproven_rpc.is_some() || upgrade.is_some() {
            Some(Box::new(Cold {
                unproven_rpc,
                head: None,
                upgrade,
            }))
        } else {
            None
        };
        Self::with_series(settings, (series, rpc), request_bytes(request), flags, cold)
    }

    #[inline(always)]
    fn with_series(
        settings: &'static Settings,
        (series, rpc): (&'static RouteSeries, Option<&'static RpcSeries>),
        request_bytes: u64,
        flags: ExchangeFlags,
        cold: Option<Box<Cold>>,
    ) -> Self {
        let mut this = Self {
            settings,
            series,
            rpc,
            started: FastInstant::now(),
            request_bytes,
            flags,
            cold,
            upload: None,
        };
        this.flags.set(UPLOAD, request_bytes != 0);
        this.enter_series();
        this
    }

    /// Watches the request body, if there is one.
    #[inline]
    pub(super) fn watch_upload<B: 'static>(&mut self, request: &mut Request<B>) {
        if Upload::watches::<B>() && self.request_bytes != 0 {
            self.upload = Upload::watch(request.body_mut());
        }
    }

    /// Returns whether the client has left before its request body was complete.
    fn has_client_left(&self, is_dropped: bool) -> bool {
        let report = ClientLeft::current();
        self.flags.has(CLIENT_LEFT)
            || report == ClientLeft::Yes
            || report == ClientLeft::OncePolled && !is_dropped
            || self
                .upload
                .as_ref()
                .is_some_and(|upload| upload.has_client_left())
    }

    /// Raises the gauge of the route, and writes the route to the table of requests in flight.
    #[inline]
    fn enter_series(&mut self) {
        let gauge = self.series.active(self.settings.table);
        if let Some(gauge) = gauge {
            gauge.increment(1.0);
        }
        self.flags.set(ACTIVE, gauge.is_some());
        if let Some(entry) = RequestContext::current_entry() {
            entry.set_route(self.series.label);
        }
    }

    /// Lowers the gauge of the route.
    #[inline]
    fn leave_series(&mut self) {
        if self.flags.has(ACTIVE) {
            // First, so that a recorder that panics is not called a second time.
            self.flags.set(ACTIVE, false);
            if let Some(gauge) = self.series.active(self.settings.table) {
                gauge.decrement(1.0);
            }
        }
    }

    /// Moves the exchange to the series of a route that was learned after the beginning.
    #[cold]
    fn move_to(&mut self, series: &'static RouteSeries) {
        self.leave_series();
        self.series = series;
        self.enter_series();
    }

    /// Takes over the route that an inner layer has seen.
    #[inline]
    fn take_handoff(&mut self) {
        if route_handoff::is_pending() {
            self.take_handoff_slow();
        }
    }

    #[cold]
    fn take_handoff_slow(&mut self) {
        let table = self.settings.table;
        let Some((series, folded)) = route_handoff::take(table) else {
            return;
        };
        if self.flags.has(ROUTE_KNOWN) {
            return;
        }
        self.flags.set(ROUTE_KNOWN, true);
        if folded {
            table.count_folded();
        }
        self.move_to(series);
    }

    /// Reads what an inner layer or the application put into the response's extensions.
    #[cold]
    fn read_extensions<B>(&mut self, response: &Response<B>) {
        self.flags
            .set_outcome(response.extensions().get::<Outcome>().copied());
        if !self.flags.has(ROUTE_KNOWN)
            && let Some(route) = response.extensions().get::<Route>()
        {
            let settings = self.settings;
            let route = KnownRoute::Named(route);
            let series = settings
                .table
                .route(self.flags.method(), route, settings.routes as usize);
            self.flags.set(ROUTE_KNOWN, true);
            self.move_to(series);
        }
    }

    /// Reads gRPC status and view name from the response headers. Returns false if the client has left: a response that
    /// it will not read is none.
    #[cold]
    fn read_response<B>(&mut self, response: &Response<B>) -> bool {
        if self.flags.has(UPLOAD) && self.has_client_left(false) {
            self.flags.set(CLIENT_LEFT, true);
            return false;
        }
        if self.flags.has(RPC) {
            self.read_rpc_status(response);
        }
        if self.flags.has(VIEW)
            && let Some(view) = headers::view_name(response.headers())
        {
            let settings = self.settings;
            let series = settings
                .table
                .view(self.flags.method(), view, settings.routes as usize);
            self.move_to(series);
        }
        true
    }

    /// Reads the status of a gRPC call.
    fn read_rpc_status<B>(&mut self, response: &Response<B>) {
        let is_grpc = response.status() == StatusCode::OK && grpc::is_grpc(response.headers());
        let mut code = Code::from_headers(response.headers());
        if !is_grpc && code.is_none() {
            code = Some(Code::from_http_status(response.status()));
        }
        self.flags.set_code(code);
        // A response that a layer made does not prove that the method is served.
        if !is_grpc || self.flags.outcome().is_some() {
            let _ = self.take_unproven_rpc();
        } else if code == Some(Code::Ok) {
            self.prove_rpc();
        }
    }

    fn take_unproven_rpc(&mut self) -> Option<PathAndQuery> {
        self.cold.as_mut()?.unproven_rpc.take()
    }

    /// Takes the gRPC method as a label value, since the response proves that it is served.
    #[cold]
    fn prove_rpc(&mut self) {
        let path = self.take_unproven_rpc();
        let Some(name) = path.as_ref().and_then(|path| grpc::method_name(path.path())) else {
            return;
        };
        let settings = self.settings;
        let rpc = settings.table.rpc(name, settings.rpcs as usize);
        self.rpc = Some(rpc);
        if !self.flags.has(ROUTE_KNOWN) {
            self.move_to(settings.table.rpc_route(self.flags.method(), rpc));
        }
    }

    /// Records the seconds to the head, or keeps them until the route is known, and notes an upgrade.
    #[cold]
    fn end_wait_slow(&mut self, status: StatusCode, seconds: f64) {
        match &mut self.cold {
            Some(cold) if cold.unproven_rpc.is_some() => cold.head = Some((status, seconds)),
            _ => self.record_duration(status, seconds),
        }
        if let Some(upgrade) = self.cold.as_mut().and_then(|cold| cold.upgrade.take()) {
            upgrade.on_response(self.settings.table, self.flags.method_class(), status);
        }
    }

    /// Records the seconds to the head.
    #[inline]
    fn record_duration(&self, status: StatusCode, seconds: f64) {
        let labels = ResponseLabels {
            status: status.as_u16(),
        };
        self.series.record_duration(self.settings.table, labels, seconds);
    }

    fn end_labels(&self, outcome: Outcome) -> EndLabels {
        EndLabels {
            status: self.flags.status(),
            outcome,
        }
    }

    /// Counts the exchange: the only place that does.
    #[inline]
    fn record_end(&mut self, outcome: Outcome, bytes: u64) {
        let (settings, series, flags) = (self.settings, self.series, self.flags);
        let table = settings.table;
        self.leave_series();
        series.count_end(table, self.end_labels(outcome));
        if flags.has(RESPONSE_DURATION) {
            series.record_response_duration(table, self.started.seconds_until(FastInstant::now()));
        }
        if flags.has(BODY_SIZES) {
            if self.request_bytes != UNKNOWN_SIZE {
                series.record_request_size(table, self.request_bytes);
            }
            if flags.status() != 0 {
                series.record_response_size(table, bytes);
            }
        }
        if flags.has(SLOW_END) {
            self.record_end_slow(outcome, bytes);
        }
    }

    #[cold]
    fn record_end_slow(&mut self, outcome: Outcome, bytes: u64) {
        let settings = self.settings;
        if self.flags.has(STATUS_LABELS) {
            let seconds = settings
                .response_duration
                .then(|| self.started.seconds_until(FastInstant::now()));
            let request =
                Some(self.request_bytes).filter(|bytes| settings.body_sizes && *bytes != UNKNOWN_SIZE);
            let response = Some(bytes).filter(|_| settings.body_sizes && self.flags.status() != 0);
            self.series.record_end_by_status(
                settings.table,
                self.end_labels(outcome),
                seconds,
                request,
                response,
            );
        }
        if self.flags.has(RPC) {
            let default = match outcome {
                Outcome::Cancelled | Outcome::Aborted => Code::Cancelled,
                Outcome::TimedOut => Code::DeadlineExceeded,
                // The server resets the stream with INTERNAL_ERROR.
                Outcome::Failed => Code::Internal,
                _ => Code::Unknown,
            };
            self.rpc
                .unwrap_or_else(|| settings.table.unknown_rpc())
                .count(settings.table, self.flags.code().unwrap_or(default));
        }
    }

    /// Ends an exchange whose outcome is not, or may not be, `completed`.
    #[inline(never)]
    fn end_slow(&mut self, end: End<'_>) {
        if self.flags.has(RPC) {
            self.end_rpc(&end);
        }
        let panicked = end.reason == EndReason::Panicked || self.flags.outcome() == Some(Outcome::Panicked);
        if self.flags.has(UPLOAD) && !panicked && self.has_client_left(end.reason == EndReason::Dropped) {
            self.flags.clear_status();
            self.flags.set_code(Some(Code::Cancelled));
            return self.record_end(Outcome::Cancelled, end.bytes);
        }
        let has_head = self.flags.status() != 0;
        let outcome = match end.reason {
            EndReason::Complete if end.trailers.is_some_and(grpc::is_deadline_trailers) => Outcome::TimedOut,
            EndReason::Complete => self.flags.outcome().unwrap_or(Outcome::Completed),
            EndReason::Failed => Outcome::Failed,
            EndReason::Panicked => Outcome::Panicked,
            _ if has_head => Outcome::Aborted,
            _ => Outcome::Cancelled,
        };
        self.record_end(outcome, end.bytes);
    }

    /// Reads the status of a gRPC call in its trailers. OK, or a message before any status, proves that the method is
    /// served; an error alone does not, since it may be a layer's or an interceptor's.
    #[cold]
    fn end_rpc(&mut self, end: &End<'_>) {
        if let Some(code) = end.trailers.and_then(Code::from_headers) {
            self.flags.set_code(Some(code));
        }
        if end.bytes > 0 || self.flags.code() == Some(Code::Ok) {
            self.prove_rpc();
        }
        if let Some((status, seconds)) = self.cold.as_mut().and_then(|cold| cold.head.take()) {
            self.record_duration(status, seconds);
        }
    }
}

impl Observer for MetricsObserver {
    #[inline]
    fn enter(&mut self) {
        LayerId::of(self.settings.table).enter();
    }

    #[inline]
    fn leave(&mut self) {
        LayerId::leave();
        self.take_handoff();
    }

    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        let now = FastInstant::now();
        self.take_handoff();
        if !response.extensions().is_empty() {
            self.read_extensions(response);
        }
        if self.flags.has(SLOW_RESPONSE) && !self.read_response(response) {
            return;
        }
        let status = response.status();
        self.flags.set_status(status);
        let seconds = self.started.seconds_until(now);
        if self.cold.is_none() {
            self.record_duration(status, seconds);
        } else {
            self.end_wait_slow(status, seconds);
        }
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        self.take_handoff();
        if end.reason == EndReason::Complete && !self.flags.has(SLOW_OUTCOME) {
            self.record_end(Outcome::Completed, end.bytes);
        } else {
            self.end_slow(end);
        }
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(mut self: Box<Self>) {
        self.cold = None;
        self.upload = None;
        BoxPool::recycle(&POOL, self);
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver")
            .field("status", &self.flags.status())
            .finish_non_exhaustive()
    }
}
