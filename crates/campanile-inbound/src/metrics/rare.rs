//! What few exchanges have: a tunnel, a gRPC call, an answer whose extensions tell something.

use campanile_core::{
    Outcome,
    grpc::{self, Code},
    headers,
    seldom::Seldom,
};
use http::{Request, Response, StatusCode, uri::PathAndQuery};

use super::{
    exchange::Exchange,
    notes::{ROUTE_KNOWN, RPC, VIEW},
};
use crate::{
    route::{Known, Route},
    upgrade::UpgradeWatch,
};

/// What has to be known of a tunnel, or of a gRPC method that nobody has called before.
pub(super) struct Rare {
    /// The path of the method, until an answer tells that somebody serves it: strangers call what they like.
    unproven: Option<PathAndQuery>,
    upgrade: Option<UpgradeWatch>,
}

impl Rare {
    #[cold]
    pub(super) fn of<B>(
        request: &Request<B>,
        is_unproven: bool,
        upgrade: Option<UpgradeWatch>,
    ) -> Seldom<Self> {
        let path = request.uri().path_and_query().filter(|_| is_unproven);
        Seldom::new(Self {
            unproven: path.cloned(),
            upgrade,
        })
    }
}

impl Exchange {
    /// Notes what an inner layer or the application tells in the answer's extensions.
    #[cold]
    pub(super) fn note_extensions<B>(&mut self, response: &Response<B>) {
        self.notes
            .set_told(response.extensions().get::<Outcome>().copied());
        if !self.notes.has(ROUTE_KNOWN)
            && let Some(route) = response.extensions().get::<Route>()
        {
            let settings = self.settings;
            let series =
                settings
                    .table
                    .route(self.notes.method(), Known::Said(route), settings.routes as usize);
            self.move_to(series);
            self.notes.set(ROUTE_KNOWN, true);
        }
    }

    /// Notes what the headers of an answer tell.
    #[cold]
    pub(super) fn note_headers<B>(&mut self, response: &Response<B>) {
        if self.notes.has(RPC) {
            self.note_rpc(response);
        }
        if self.notes.has(VIEW)
            && let Some(view) = headers::view_name(response.headers())
        {
            let settings = self.settings;
            let routes = settings.routes as usize;
            self.move_to(settings.table.view(self.notes.method(), view, routes));
        }
    }

    /// Notes the status of a gRPC call, and its name once it is served.
    fn note_rpc<B>(&mut self, response: &Response<B>) {
        let answered = response.status() == StatusCode::OK && grpc::is_grpc(response.headers());
        let mut code = Code::from_headers(response.headers());
        if !answered && code.is_none() {
            code = Some(code_of_status(response.status()));
        }
        self.notes.set_code(code);
        // An answer that a layer made says nothing of whether anybody serves the method.
        let proven = answered && self.notes.told().is_none() && code != Some(Code::Unimplemented);
        let unproven = self.rare.get_mut().and_then(|rare| rare.unproven.take());
        if let (Some(path), true) = (unproven, proven) {
            let settings = self.settings;
            let rpc = settings.table.rpc(rpc_name(path.path()), settings.rpcs as usize);
            self.rpc = Some(rpc);
            if !self.notes.has(ROUTE_KNOWN) {
                self.move_to(settings.table.rpc_route(self.notes.method(), rpc));
            }
        }
    }

    /// Notes the answer to the request for an upgrade.
    #[cold]
    pub(super) fn note_upgrade(&mut self, status: StatusCode) {
        if let Some(rare) = self.rare.take().get_mut()
            && let Some(upgrade) = rare.upgrade.take()
        {
            upgrade.answered(self.settings.table, self.notes.asked(), status);
        }
    }
}

/// Returns `package.Service/Method` of a gRPC path.
pub(super) fn rpc_name(path: &str) -> &str {
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
