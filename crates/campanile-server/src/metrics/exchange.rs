//! An exchange up to its head: what is found out of the request and its answer.

use campanile_http::{
    Outcome,
    body::{Asked, Tracking},
    clock::Mark,
    grpc, method,
    nesting::{Around, Identity},
};
use http::{Method, Request, Response};
use http_body::Body;

use super::{
    ending::Ending,
    inner_route,
    notes::{COUNTED, INSIDE, LABELLED, Notes, ROUTE_KNOWN, RPC, TOLD_BY_HEADERS, VIEW},
    rare::{Rare, rpc_name},
    settings::Settings,
};
use crate::{route, upgrade::UpgradeWatch};

/// An exchange up to the head of its answer.
pub(super) struct Exchange {
    pub(super) ending: Ending,
    /// What few requests have.
    pub(super) rare: Option<Box<Rare>>,
}

/// Tells the layer around this one the route that it could not see.
pub(super) fn tell_outer<B>(settings: &'static Settings, request: &Request<B>) {
    if let Some(route) = route::of(request.extensions()) {
        let method = method::number(request.method());
        let found = settings.table.find_route(method, route, settings.routes as usize);
        inner_route::tell(settings.table, found);
    }
}

impl Exchange {
    /// Begins an exchange. Only if `apart` may its route be its answer's view, or its labels others than usual.
    #[inline(always)]
    pub(super) fn begin<B: Body>(
        settings: &'static Settings,
        request: &Request<B>,
        upgrade: Option<UpgradeWatch>,
        apart: bool,
    ) -> Self {
        let table = settings.table;
        let method = method::number(request.method());
        let mut notes = Notes::new(method, Asked::by(request.method()));
        notes.set(COUNTED, true);
        // gRPC posts, so most requests are told by their method alone.
        let is_rpc = *request.method() == Method::POST && grpc::is_grpc(request.headers());
        let mut rpc = None;
        if is_rpc {
            notes.set(RPC, true);
            rpc = table.known_rpc(rpc_name(request.uri().path()));
        }
        if apart && settings.status_labels {
            notes.set(LABELLED, true);
        }
        let series = match (route::of(request.extensions()), rpc) {
            _ if apart && settings.view_name_is_route => {
                notes.set(VIEW, true);
                // Nobody else is asked.
                notes.set(ROUTE_KNOWN, true);
                table.other_route(method)
            }
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
            Some(Rare::of(request, is_unproven, upgrade))
        } else {
            None
        };
        let bytes = request.body().size_hint().exact();
        Self {
            ending: Ending::begin(settings, series, rpc, notes, bytes),
            rare,
        }
    }

    /// Makes the exchange of a request that is not counted here, of which nothing is noted.
    #[cold]
    pub(super) fn passing(settings: &'static Settings) -> Self {
        Self {
            ending: Ending::of_nothing(settings),
            rare: None,
        }
    }

    /// Comes before the inner service is called.
    #[inline]
    pub(super) fn call(&mut self) -> Calling<'_> {
        self.listen();
        Calling {
            exchange: self,
            has_returned: false,
        }
    }

    #[inline]
    pub(super) fn is_counted(&self) -> bool {
        self.ending.notes.has(COUNTED)
    }

    /// Notes that the layer stands around the inner service, while the guard lives.
    #[inline]
    pub(super) fn enter(&self) -> Around {
        Identity::of(self.ending.settings.table).enter()
    }

    /// Comes before each call into the inner service: forgets what was told of a route to somebody else.
    #[inline]
    pub(super) fn listen(&mut self) {
        self.ending.notes.set(INSIDE, true);
        if !self.ending.notes.has(ROUTE_KNOWN) {
            inner_route::take(self.ending.settings.table);
        }
    }

    /// Comes after each call into the inner service: takes the route that was told meanwhile.
    #[inline]
    pub(super) fn hear(&mut self) {
        self.ending.notes.set(INSIDE, false);
        if !self.ending.notes.has(ROUTE_KNOWN)
            && let Some((series, folded)) = inner_route::take(self.ending.settings.table)
        {
            if folded {
                self.ending.settings.table.count_folded();
            }
            self.ending.move_to(series);
            self.ending.notes.set(ROUTE_KNOWN, true);
        }
    }

    /// Notes the head of the answer, and hands the rest over to its body.
    #[inline]
    pub(super) fn answered<B: Body>(&mut self, response: &Response<B>) -> Tracking<Ending> {
        let now = Mark::now();
        if !response.extensions().is_empty() {
            self.note_extensions(response);
        }
        if self.ending.notes.has(TOLD_BY_HEADERS) {
            self.note_headers(response);
        }
        self.ending.note_status(response.status(), now);
        if self.rare.is_some() {
            self.note_upgrade(response.status());
        }
        let ending = self.ending;
        self.ending.notes.set(COUNTED, false);
        Tracking::of(response, ending.notes.asked(), ending)
    }

    /// Ends an exchange that was dropped before the head of its answer.
    #[cold]
    pub(super) fn end_early(&mut self) {
        let panicked = self.ending.notes.has(INSIDE);
        self.end(if panicked {
            Outcome::Panicked
        } else {
            Outcome::Cancelled
        });
    }

    /// Ends an exchange whose inner service yielded an error.
    #[cold]
    pub(super) fn fail(&mut self) -> Tracking<Ending> {
        self.end(Outcome::Failed);
        Tracking::nobody()
    }

    fn end(&mut self, outcome: Outcome) {
        self.ending.notes.set(COUNTED, false);
        self.ending.end(outcome, 0);
    }
}

/// An exchange whose inner service is being called: there is no future yet that would end it at a panic.
pub(super) struct Calling<'a> {
    pub(super) exchange: &'a mut Exchange,
    has_returned: bool,
}

impl Calling<'_> {
    #[inline]
    pub(super) fn returned(mut self) {
        self.has_returned = true;
        self.exchange.hear();
    }
}

impl Drop for Calling<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_returned {
            self.exchange.end_early();
        }
    }
}
