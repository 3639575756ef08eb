//! An exchange up to its head: what is found out of the request and its answer.

use campanile_http::{
    Outcome,
    body::{Asked, Tracking},
    clock::Mark,
    grpc::{self, Code},
    method,
    nesting::{Around, Identity},
};
use http::{Method, Request, Response, StatusCode, uri::PathAndQuery};
use http_body::Body;

use super::{
    ending::Ending,
    inner_route,
    notes::{COUNTED, INSIDE, Notes, ROUTE_KNOWN, RPC},
    settings::Settings,
};
use crate::{
    route::{self, Route},
    upgrade::UpgradeWatch,
};

/// An exchange up to the head of its answer.
pub(super) struct Exchange {
    ending: Ending,
    /// What few requests have.
    rare: Option<Box<Rare>>,
}

/// What has to be known of a tunnel, or of a gRPC method that nobody has called before.
struct Rare {
    /// The path of the method, until an answer tells that somebody serves it: strangers call what they like.
    unproven: Option<PathAndQuery>,
    upgrade: Option<UpgradeWatch>,
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
    /// Begins an exchange.
    #[inline(always)]
    pub(super) fn begin<B: Body>(
        settings: &'static Settings,
        request: &Request<B>,
        upgrade: Option<UpgradeWatch>,
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
        let series = match (route::of(request.extensions()), rpc) {
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
        if self.ending.notes.has(RPC) {
            self.note_rpc(response);
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

    #[cold]
    fn note_extensions<B>(&mut self, response: &Response<B>) {
        let ending = &mut self.ending;
        ending
            .notes
            .set_told(response.extensions().get::<Outcome>().copied());
        if !ending.notes.has(ROUTE_KNOWN)
            && let Some(route) = response.extensions().get::<Route>()
        {
            let settings = ending.settings;
            let series =
                settings
                    .table
                    .route(ending.notes.method(), route.as_str(), settings.routes as usize);
            ending.move_to(series);
            ending.notes.set(ROUTE_KNOWN, true);
        }
    }

    #[cold]
    fn note_rpc<B>(&mut self, response: &Response<B>) {
        let ending = &mut self.ending;
        let answered = response.status() == StatusCode::OK && grpc::is_grpc(response.headers());
        let mut code = Code::from_headers(response.headers());
        if !answered && code.is_none() {
            code = Some(code_of_status(response.status()));
        }
        ending.notes.set_code(code);
        // An answer that a layer made says nothing of whether anybody serves the method.
        let proven = answered && ending.notes.told().is_none() && code != Some(Code::Unimplemented);
        let unproven = self.rare.as_mut().and_then(|rare| rare.unproven.take());
        if let (Some(path), true) = (unproven, proven) {
            let settings = ending.settings;
            let rpc = settings.table.rpc(rpc_name(path.path()), settings.rpcs as usize);
            ending.rpc = Some(rpc);
            if !ending.notes.has(ROUTE_KNOWN) {
                ending.move_to(settings.table.rpc_route(ending.notes.method(), rpc));
            }
        }
    }

    #[cold]
    fn note_upgrade(&mut self, status: StatusCode) {
        if let Some(rare) = self.rare.take()
            && let Some(upgrade) = rare.upgrade
        {
            upgrade.answered(self.ending.settings.table, self.ending.notes.asked(), status);
        }
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

impl Rare {
    #[cold]
    fn of<B>(request: &Request<B>, is_unproven: bool, upgrade: Option<UpgradeWatch>) -> Box<Self> {
        let path = request.uri().path_and_query().filter(|_| is_unproven);
        Box::new(Self {
            unproven: path.cloned(),
            upgrade,
        })
    }
}

/// Returns `package.Service/Method` of a gRPC path.
fn rpc_name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
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
