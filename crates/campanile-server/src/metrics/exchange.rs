//! One exchange: begins once, ends once, whatever happens in between.

use std::cell::Cell;

use campanile_http::{
    Outcome, RequestContext,
    body::{Asked, BodyEnd, How, OnBodyEnd},
    clock::Mark,
    grpc::{self, Code},
    method,
    nesting::Identity,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, uri::PathAndQuery};
use http_body::Body;

use super::layer::Config;
use crate::{
    route::{self, Route},
    series::{RouteSeries, RpcSeries, ServerSeries, StatusSeries},
    upgrade::{self, UpgradeWatch},
};

thread_local! {
    /// The route that a layer of the same kind further in knows, for the one that polls it.
    static INNER_ROUTE: Cell<Option<&'static RouteSeries>> = const { Cell::new(None) };
}

/// An exchange that has begun. Dropped before its end it ends as cancelled, or as panicked.
///
/// Moves from the future into the body, so it is kept small: what few exchanges have is behind a pointer.
pub(super) struct Exchange {
    table: &'static ServerSeries,
    series: &'static RouteSeries,
    status: Option<&'static StatusSeries>,
    started: Mark,
    /// [`u64::MAX`] where it is not known.
    request_bytes: u64,
    rpc: Rpc,
    upgrade: Option<UpgradeWatch>,
    limits: Limits,
    method: u8,
    asked: Asked,
    /// What an inner layer tells, in place of what the body's end says.
    told: Option<Outcome>,
    code: Option<Code>,
    /// The gauge was raised, so it has to fall; not while there is no recorder.
    active: bool,
    route_known: bool,
    /// Set around every call into the inner service: a drop meanwhile is its panic.
    pub(super) inside: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) routes: u32,
    pub(super) rpcs: u32,
    pub(super) response_duration: bool,
    pub(super) body_sizes: bool,
    pub(super) h1_upgrade_guard: bool,
}

/// The gRPC method that is called.
enum Rpc {
    No,
    /// Its path, until an answer tells that somebody serves it: strangers call what they like.
    Unproven(Box<PathAndQuery>),
    Known(&'static RpcSeries),
}

impl Exchange {
    #[inline]
    pub(super) fn begin<B: Body>(config: &Config, request: &mut Request<B>) -> Self {
        let (table, limits) = (config.table, config.limits);
        let method = method::number(request.method());
        let rpc = Rpc::of(table, request);
        let (series, route_known) = match (route::of(request.extensions()), &rpc) {
            (Some(route), _) => (table.route(method, route, limits.routes as usize), true),
            (None, Rpc::Known(rpc)) => (table.rpc_route(method, rpc), true),
            (None, _) => (table.other_route(method), false),
        };
        let request_bytes = if limits.body_sizes {
            request.body().size_hint().exact()
        } else {
            None
        };
        let mut exchange = Self {
            table,
            series,
            status: None,
            started: Mark::now(),
            request_bytes: request_bytes.unwrap_or(u64::MAX),
            rpc,
            upgrade: upgrade::watch(table, request, limits.h1_upgrade_guard),
            limits,
            method,
            asked: Asked::by(request.method()),
            told: None,
            code: None,
            active: false,
            route_known,
            inside: false,
            ended: false,
        };
        exchange.enter_series();
        exchange
    }

    /// Identifies the layer, and all others that record to the same recorder: they would count one exchange twice.
    #[inline]
    pub(super) fn identity(&self) -> Identity {
        Identity::of(self.table)
    }

    /// Tells the layer around this one the route that it could not see.
    pub(super) fn tell_outer<B>(config: &Config, request: &Request<B>) {
        if let Some(route) = route::of(request.extensions()) {
            let series = config.table.route(
                method::number(request.method()),
                route,
                config.limits.routes as usize,
            );
            INNER_ROUTE.set(Some(series));
        }
    }

    /// Listens for the route while the inner service is called, if it is not known yet.
    #[inline]
    pub(super) fn listen(&self) {
        if !self.route_known {
            INNER_ROUTE.set(None);
        }
    }

    /// Takes the route that was told meanwhile.
    #[inline]
    pub(super) fn hear(&mut self) {
        if !self.route_known
            && let Some(series) = INNER_ROUTE.take()
        {
            self.move_to(series);
        }
    }

    fn move_to(&mut self, series: &'static RouteSeries) {
        self.leave_series();
        self.series = series;
        self.route_known = true;
        self.enter_series();
    }

    #[inline]
    fn enter_series(&mut self) {
        let gauge = self.series.active(self.table);
        if let Some(gauge) = gauge {
            gauge.increment(1.0);
        }
        self.active = gauge.is_some();
        RequestContext::with_current(|context| {
            if let Some(seat) = context.and_then(RequestContext::seat) {
                seat.set_route(self.series.label);
            }
        });
    }

    #[inline]
    fn leave_series(&mut self) {
        if self.active
            && let Some(gauge) = self.series.active(self.table)
        {
            gauge.decrement(1.0);
        }
    }

    /// Notes the head of the answer.
    #[inline]
    pub(super) fn head<B: Body>(&mut self, response: &Response<B>) -> Asked {
        let now = Mark::now();
        if !response.extensions().is_empty() {
            self.told = response.extensions().get::<Outcome>().copied();
            if !self.route_known
                && let Some(route) = response.extensions().get::<Route>()
            {
                self.move_to(
                    self.table
                        .route(self.method, route.as_str(), self.limits.routes as usize),
                );
            }
        }
        if !matches!(self.rpc, Rpc::No) {
            self.rpc_head(response);
        }
        let status = self.series.status(response.status());
        self.status = Some(status);
        self.series
            .record_duration(self.table, status, self.started.seconds_until(now));
        if let Some(upgrade) = self.upgrade.take() {
            upgrade.answered(self.table, self.asked, response.status());
        }
        self.asked
    }

    fn rpc_head<B>(&mut self, response: &Response<B>) {
        let answered = response.status() == StatusCode::OK && grpc::is_grpc(response.headers());
        self.code = Code::from_headers(response.headers());
        if !answered && self.code.is_none() {
            self.code = Some(code_of_status(response.status()));
        }
        if let Rpc::Unproven(path) = &self.rpc {
            // An answer that a layer made says nothing of whether anybody serves the method.
            let proven = answered && self.told.is_none() && self.code != Some(Code::Unimplemented);
            let series = if proven {
                self.table.rpc(rpc_name(path.path()), self.limits.rpcs as usize)
            } else {
                self.table.unknown_rpc()
            };
            if !self.route_known && proven {
                self.move_to(self.table.rpc_route(self.method, series));
            }
            self.rpc = Rpc::Known(series);
        }
    }

    /// Ends the exchange with an error of the inner service.
    pub(super) fn fail(mut self) {
        self.end(Outcome::Failed, 0);
    }

    #[inline]
    fn end(&mut self, outcome: Outcome, bytes: u64) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (table, series) = (self.table, self.series);
        series.count_end(table, self.status, outcome);
        if self.limits.response_duration {
            series.record_response_duration(table, self.started.seconds_until(Mark::now()));
        }
        if self.request_bytes != u64::MAX {
            series.record_request_size(table, self.request_bytes);
        }
        if self.limits.body_sizes && self.status.is_some() {
            series.record_response_size(table, bytes);
        }
        if !matches!(self.rpc, Rpc::No) {
            self.end_rpc(outcome);
        }
        self.leave_series();
    }

    fn end_rpc(&self, outcome: Outcome) {
        let code = match outcome {
            Outcome::Cancelled | Outcome::Aborted => self.code.unwrap_or(Code::Cancelled),
            _ => self.code.unwrap_or(Code::Unknown),
        };
        let series = match &self.rpc {
            Rpc::Known(series) => series,
            _ => self.table.unknown_rpc(),
        };
        series.count(self.table, code);
    }
}

impl OnBodyEnd for Exchange {
    fn on_body_end(&mut self, end: BodyEnd<'_>) {
        if let (Some(trailers), false) = (end.trailers, matches!(self.rpc, Rpc::No)) {
            self.note_trailers(trailers);
        }
        let outcome = match end.how {
            How::Complete => self.told.unwrap_or(Outcome::Completed),
            How::Failed => Outcome::Failed,
            How::Panicked => Outcome::Panicked,
            _ => Outcome::Aborted,
        };
        self.end(outcome, end.bytes);
    }
}

impl Exchange {
    fn note_trailers(&mut self, trailers: &HeaderMap) {
        self.code = Code::from_headers(trailers).or(self.code);
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.end(
                if self.inside {
                    Outcome::Panicked
                } else {
                    Outcome::Cancelled
                },
                0,
            );
        }
    }
}

impl Rpc {
    #[inline]
    fn of<B>(table: &'static ServerSeries, request: &Request<B>) -> Self {
        // gRPC posts, so most requests are told by their method alone.
        if *request.method() != Method::POST || !grpc::is_grpc(request.headers()) {
            return Self::No;
        }
        match table.known_rpc(rpc_name(request.uri().path())) {
            Some(series) => Self::Known(series),
            None => request
                .uri()
                .path_and_query()
                .cloned()
                .map_or(Self::No, |path| Self::Unproven(Box::new(path))),
        }
    }
}

/// Maps a plain HTTP answer to a gRPC call, as the
/// [protocol says](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
fn code_of_status(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// Returns `package.Service/Method` of a gRPC path.
fn rpc_name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}
