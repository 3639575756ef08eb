//! One exchange: begins once, ends once, whatever happens in between.

use std::{cell::RefCell, ptr};

use campanile_http::{
    Outcome, RequestContext,
    body::{Asked, BodyEnd, How, OnBodyEnd},
    clock::Mark,
    grpc::{self, Code},
    method,
    series::OTHER,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, uri::PathAndQuery};
use http_body::Body;
use metrics::Gauge;

use super::layer::Config;
use crate::{
    route::{self, Route},
    series::{RouteSeries, RpcSeries, ServerSeries, StatusSeries},
    upgrade::{self, UpgradeWatch},
};

thread_local! {
    /// The routes that layers further in know, for those of the same kind that poll them; one of each kind at most.
    static INNER_ROUTES: RefCell<Vec<InnerRoute>> = const { RefCell::new(Vec::new()) };
}

struct InnerRoute {
    table: &'static ServerSeries,
    series: &'static RouteSeries,
    folded: bool,
}

/// Takes out what was told to the layers that record to `table`.
fn take_inner_route(table: &'static ServerSeries) -> Option<InnerRoute> {
    INNER_ROUTES.with_borrow_mut(|routes| {
        let place = routes.iter().position(|route| ptr::eq(route.table, table))?;
        Some(routes.swap_remove(place))
    })
}

/// An exchange that has begun. Dropped before its end it ends as cancelled, or as panicked.
pub(super) struct Exchange {
    config: Limits,
    table: &'static ServerSeries,
    series: &'static RouteSeries,
    /// Was raised, so it has to fall; nothing while there is no recorder.
    active: Option<&'static Gauge>,
    status: Option<&'static StatusSeries>,
    started: Mark,
    method: u8,
    asked: Asked,
    route_known: bool,
    /// Set around every call into the inner service: a drop meanwhile is its panic.
    pub(super) inside: bool,
    ended: bool,
    /// What an inner layer tells, in place of what the body's end says.
    told: Option<Outcome>,
    code: Option<Code>,
    request_bytes: Option<u64>,
    rpc: Rpc,
    upgrade: Option<UpgradeWatch>,
}

#[derive(Clone, Copy)]
struct Limits {
    routes: usize,
    rpcs: usize,
    response_duration: bool,
    body_sizes: bool,
}

/// The gRPC method that is called.
enum Rpc {
    No,
    /// Its path, until an answer tells that somebody serves it: strangers call what they like.
    Unproven(PathAndQuery),
    Known(&'static RpcSeries),
}

impl Exchange {
    #[inline]
    pub(super) fn begin<B: Body>(config: &Config, request: &mut Request<B>) -> Self {
        let table = config.table;
        let limits = Limits {
            routes: config.route_limit,
            rpcs: config.rpc_limit,
            response_duration: config.families.response_duration,
            body_sizes: config.families.body_sizes,
        };
        let method = method::number(request.method());
        let rpc = Rpc::of(table, request);
        let (series, route_known) = match (route::of(request.extensions()), &rpc) {
            (Some(route), _) => (table.route(method, route, limits.routes), true),
            (None, Rpc::Known(rpc)) => (table.rpc_route(method, rpc), true),
            (None, _) => (table.route(method, OTHER, limits.routes), false),
        };
        let request_bytes = if limits.body_sizes {
            request.body().size_hint().exact()
        } else {
            None
        };
        let upgrade = upgrade::watch(table, request, config.families.h1_upgrade_guard);
        let mut exchange = Self {
            config: limits,
            table,
            series,
            active: None,
            status: None,
            started: Mark::now(),
            method,
            asked: Asked::by(request.method()),
            route_known,
            inside: false,
            ended: false,
            told: None,
            code: None,
            request_bytes,
            rpc,
            upgrade,
        };
        exchange.enter_series();
        exchange
    }

    /// Tells the layer around this one the route that it could not see.
    pub(super) fn tell_outer<B>(config: &Config, request: &Request<B>) {
        if let Some(route) = route::of(request.extensions()) {
            let (table, method) = (config.table, method::number(request.method()));
            // A folded route is counted by whoever takes it over, not by each layer that sees it.
            let (series, folded) = table.find_route(method, route, config.route_limit);
            take_inner_route(table);
            let told = InnerRoute {
                table,
                series,
                folded,
            };
            INNER_ROUTES.with_borrow_mut(|routes| routes.push(told));
        }
    }

    /// Listens for the route while the inner service is called, if it is not known yet.
    #[inline]
    pub(super) fn listen(&self) {
        if !self.route_known {
            take_inner_route(self.table);
        }
    }

    /// Takes the route that was told meanwhile.
    #[inline]
    pub(super) fn hear(&mut self) {
        if !self.route_known
            && let Some(told) = take_inner_route(self.table)
        {
            if told.folded {
                self.table.count_folded();
            }
            self.move_to(told.series);
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
        self.active = self.series.active(self.table);
        if let Some(active) = self.active {
            active.increment(1.0);
        }
        RequestContext::with_current(|context| {
            if let Some(seat) = context.and_then(RequestContext::seat) {
                seat.set_route(self.series.label);
            }
        });
    }

    #[inline]
    fn leave_series(&mut self) {
        if let Some(active) = self.active.take() {
            active.decrement(1.0);
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
                self.move_to(self.table.route(self.method, route.as_str(), self.config.routes));
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
                self.table.rpc(rpc_name(path.path()), self.config.rpcs)
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
        if self.config.response_duration {
            series.record_response_duration(table, self.started.seconds_until(Mark::now()));
        }
        if let Some(bytes) = self.request_bytes {
            series.record_request_size(table, bytes);
        }
        if self.config.body_sizes && self.status.is_some() {
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
    #[inline]
    fn on_body_end(mut self, end: BodyEnd<'_>) {
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
                .map_or(Self::No, Self::Unproven),
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
