//! An exchange up to its head: what is found out of the request and its answer.

use campanile_core::{
    body::{BodyTracker, ExpectedLength},
    clock::FastInstant,
    grpc, method,
    nesting::LayerId,
    seldom::Seldom,
    spares::Spares,
};
use http::{Method, Request, Response};
use http_body::Body;

use super::{
    ending::{Ending, enter},
    inner_route,
    notes::{ACTIVE, Notes, PANICKED, ROUTE_KNOWN, RPC, TOLD_BY_HEADERS, VIEW},
    rare::{Rare, rpc_name},
    settings::Settings,
};
use crate::{
    route,
    series::{RouteSeries, RpcSeries},
    upgrade::UpgradeWatch,
};

/// An exchange that has not ended. Whoever holds it ends it: the future up to the head, then the body.
///
/// It has no `Drop` of its own.
pub(super) struct Exchange {
    pub(super) settings: &'static Settings,
    pub(super) series: &'static RouteSeries,
    pub(super) rpc: Option<&'static RpcSeries>,
    pub(super) started: FastInstant,
    /// [`u64::MAX`] where it is not known.
    pub(super) request_bytes: u64,
    pub(super) notes: Notes,
    pub(super) rare: Seldom<Rare>,
}

thread_local! {
    static SPARES: Spares<Exchange> = const { Spares::new() };
}

/// Tells the layer around this one the route that it could not see.
pub(super) fn tell_outer<B>(settings: &'static Settings, request: &Request<B>) {
    if let Some(route) = route::of(request.extensions()) {
        let method = method::number(request.method());
        let found = settings.table.find_route(method, route, settings.routes as usize);
        inner_route::tell(settings.table, found);
    }
}

/// Begins the exchange of a request that is like most; nothing for others, which are looked at apart.
///
/// Here is what has to be inlined: where a request's place is handed to a function that is not, it has to be in
/// memory of its own, and is copied once more on its way to the inner service.
#[inline(always)]
pub(super) fn begin<B: Body>(settings: &'static Settings, request: &Request<B>) -> Option<Box<Exchange>> {
    let method = request.method();
    if LayerId::of(settings.table).is_around()
        || settings.apart
        || *method == Method::CONNECT
        // gRPC posts, so most requests are told by their method alone.
        || *method == Method::POST && grpc::may_be_grpc(request.headers())
    {
        return None;
    }
    let number = method::number(method);
    let notes = settings.notes.with_method(number);
    let route = route::of(request.extensions());
    let bytes = request.body().size_hint().exact().unwrap_or(u64::MAX);
    Some(Exchange::begin_usual(settings, number, route, bytes, notes))
}

/// Notes the head of the answer, and hands the exchange over to its body.
///
/// Whose code may panic, as the recorder's may: until then the exchange is where its end is sure.
#[inline(never)]
pub(super) fn head<B: Body>(
    place: &mut Option<Box<Exchange>>,
    response: &Response<B>,
) -> Option<BodyTracker<Ending>> {
    let watched = place.as_mut()?.watch();
    watched.exchange.answered(response);
    let foreseen = ExpectedLength::of(response, watched.exchange.notes.asked());
    watched.returned();
    place.take().map(|exchange| foreseen.tell(Ending(exchange)))
}

impl Exchange {
    // Not inlined, as `head` is not: a layer's own code is small then, and what it wraps can be inlined into it.
    #[inline(never)]
    fn begin_usual(
        settings: &'static Settings,
        method: u8,
        route: Option<route::Known<'_>>,
        request_bytes: u64,
        mut notes: Notes,
    ) -> Box<Self> {
        let table = settings.table;
        let series = match route {
            Some(route) => {
                notes.set(ROUTE_KNOWN, true);
                table.route(method, route, settings.routes as usize)
            }
            None => table.other_route(method),
        };
        Self::begin(settings, (series, None), request_bytes, notes, Seldom::nothing())
    }

    /// Begins an exchange that may be gRPC's or ask for an upgrade, whose route may be its answer's view or its labels
    /// others than usual.
    pub(super) fn begin_apart<B: Body>(
        settings: &'static Settings,
        request: &Request<B>,
        upgrade: Option<UpgradeWatch>,
    ) -> Box<Self> {
        let table = settings.table;
        let method = method::number(request.method());
        let mut notes = settings.notes.with_method(method);
        let is_rpc = *request.method() == Method::POST && grpc::is_grpc(request.headers());
        let mut rpc = None;
        if is_rpc {
            notes.set(RPC, true);
            rpc = table.known_rpc(rpc_name(request.uri().path()));
        }
        let series = match (route::of(request.extensions()), rpc) {
            _ if notes.has(VIEW) => table.other_route(method),
            (Some(route), _) => {
                notes.set(ROUTE_KNOWN, true);
                table.route(method, route, settings.routes as usize)
            }
            (None, Some(rpc)) => {
                notes.set(ROUTE_KNOWN, true);
                table.rpc_route(method, rpc)
            }
            (None, None) => table.other_route(method),
        };
        let is_unproven = is_rpc && rpc.is_none();
        let rare = if is_unproven || upgrade.is_some() {
            Rare::of(request, is_unproven, upgrade)
        } else {
            Seldom::nothing()
        };
        let request_bytes = request.body().size_hint().exact().unwrap_or(u64::MAX);
        Self::begin(settings, (series, rpc), request_bytes, notes, rare)
    }

    /// Raises the gauge and reads the clock.
    #[inline]
    fn begin(
        settings: &'static Settings,
        (series, rpc): (&'static RouteSeries, Option<&'static RpcSeries>),
        request_bytes: u64,
        mut notes: Notes,
        rare: Seldom<Rare>,
    ) -> Box<Self> {
        let started = FastInstant::now();
        notes.set(ACTIVE, enter(settings, series));
        Spares::keep(
            &SPARES,
            Self {
                settings,
                series,
                rpc,
                started,
                request_bytes,
                notes,
                rare,
            },
        )
    }

    /// Comes after each call into the inner service: takes the route that was told meanwhile.
    #[inline]
    pub(super) fn hear(&mut self) {
        if inner_route::is_told() {
            self.hear_route();
        }
    }

    #[cold]
    fn hear_route(&mut self) {
        let table = self.settings.table;
        let Some((series, folded)) = inner_route::take(table) else {
            return;
        };
        if self.notes.has(ROUTE_KNOWN) {
            return;
        }
        if folded {
            table.count_folded();
        }
        self.move_to(series);
        self.notes.set(ROUTE_KNOWN, true);
    }

    /// Notes that the inner service panicked.
    #[cold]
    pub(super) fn note_panic(&mut self) {
        // What was told before is nobody's.
        inner_route::take(self.settings.table);
        self.notes.set(PANICKED, true);
    }

    /// Notes the head of the answer.
    #[inline]
    fn answered<B>(&mut self, response: &Response<B>) {
        let now = FastInstant::now();
        if !response.extensions().is_empty() {
            self.note_extensions(response);
        }
        if self.notes.has(TOLD_BY_HEADERS) {
            self.note_headers(response);
        }
        self.note_status(response.status(), now);
        if self.rare.is_some() {
            self.note_upgrade(response.status());
        }
    }
}

/// Gives back the box of an exchange that has ended.
#[inline]
pub(super) fn give_back(exchange: Box<Exchange>) {
    Spares::give_back(&SPARES, exchange);
}
