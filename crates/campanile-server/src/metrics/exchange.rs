//! An exchange up to its head: what is found out of the request and its answer.

use campanile_http::{
    Outcome,
    body::Asked,
    clock::Mark,
    grpc::{self, Code},
    method,
};
use http::{Method, Request, Response, StatusCode, uri::PathAndQuery};
use http_body::Body;

use super::{
    ending::Ending,
    inner_route,
    layer::{Config, Limits},
};
use crate::{
    route::{self, Route},
    upgrade::{self, UpgradeWatch},
};

/// What has to be known until the head: what the answer may still tell.
pub(super) struct Head {
    limits: Limits,
    method: u8,
    asked: Asked,
    route_known: bool,
    /// The path of a gRPC method, until an answer tells that somebody serves it: strangers call what they like.
    unproven: Option<Box<PathAndQuery>>,
    upgrade: Option<UpgradeWatch>,
}

/// Begins an exchange.
// Always: else both halves are copied once more into the future.
#[inline(always)]
pub(super) fn begin<B: Body>(config: &Config, request: &mut Request<B>) -> (Ending, Head) {
    let (table, limits) = (config.table, config.limits);
    let method = method::number(request.method());
    // gRPC posts, so most requests are told by their method alone.
    let is_rpc = *request.method() == Method::POST && grpc::is_grpc(request.headers());
    let rpc = if is_rpc {
        table.known_rpc(rpc_name(request.uri().path()))
    } else {
        None
    };
    let (series, route_known) = match (route::of(request.extensions()), rpc) {
        (Some(route), _) => (table.route(method, route, limits.routes as usize), true),
        (None, Some(rpc)) => (table.rpc_route(method, rpc), true),
        (None, None) => (table.other_route(method), false),
    };
    let mut ending = Ending::new(config, series, request.body().size_hint().exact());
    ending.is_rpc = is_rpc;
    ending.rpc = rpc;
    let head = Head {
        limits,
        method,
        asked: Asked::by(request.method()),
        route_known,
        unproven: if is_rpc && rpc.is_none() {
            path(request)
        } else {
            None
        },
        upgrade: upgrade::watch(table, request, limits.h1_upgrade_guard),
    };
    (ending, head)
}

/// Calls the inner service for its future. There is none yet to hold the exchange, so a panic ends it here.
#[inline]
pub(super) fn call<R>(ending: &mut Ending, head: &mut Head, call: impl FnOnce() -> R) -> R {
    struct EndOnPanic<'a>(Option<&'a mut Ending>);

    impl Drop for EndOnPanic<'_> {
        #[inline]
        fn drop(&mut self) {
            if let Some(ending) = &mut self.0 {
                ending.end_early(Outcome::Panicked);
            }
        }
    }

    let mut on_panic = EndOnPanic(Some(ending));
    let ending = on_panic.0.as_deref_mut().expect("put there above");
    let inner = head.call_inner(ending, call);
    on_panic.0 = None;
    inner
}

/// Tells the layer around this one the route that it could not see.
pub(super) fn tell_outer<B>(config: &Config, request: &Request<B>) {
    if let Some(route) = route::of(request.extensions()) {
        let method = method::number(request.method());
        inner_route::tell(
            config.table,
            config
                .table
                .find_route(method, route, config.limits.routes as usize),
        );
    }
}

#[cold]
fn path<B>(request: &Request<B>) -> Option<Box<PathAndQuery>> {
    request.uri().path_and_query().cloned().map(Box::new)
}

/// Returns `package.Service/Method` of a gRPC path.
fn rpc_name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

impl Head {
    /// Makes the head of a request that is not counted.
    pub(super) fn of_nothing(config: &Config) -> Self {
        Self {
            limits: config.limits,
            method: 0,
            asked: Asked::Other,
            route_known: true,
            unproven: None,
            upgrade: None,
        }
    }

    /// Calls into the inner service, and listens for the route if it is not known yet.
    #[inline]
    pub(super) fn call_inner<R>(&mut self, ending: &mut Ending, call: impl FnOnce() -> R) -> R {
        if !self.route_known {
            inner_route::take(ending.table);
        }
        let around = ending.identity().enter();
        let result = call();
        drop(around);
        if !self.route_known
            && let Some((series, folded)) = inner_route::take(ending.table)
        {
            if folded {
                ending.table.count_folded();
            }
            ending.move_to(series);
            self.route_known = true;
        }
        result
    }

    /// Notes the head of the answer.
    #[inline]
    pub(super) fn note<B: Body>(&mut self, ending: &mut Ending, response: &Response<B>) -> Asked {
        let now = Mark::now();
        if !response.extensions().is_empty() {
            self.note_extensions(ending, response);
        }
        if ending.is_rpc {
            self.note_rpc(ending, response);
        }
        ending.note_status(response.status(), now);
        if let Some(upgrade) = self.upgrade.take() {
            upgrade.answered(ending.table, self.asked, response.status());
        }
        self.asked
    }

    fn note_extensions<B>(&mut self, ending: &mut Ending, response: &Response<B>) {
        ending.told = response.extensions().get::<Outcome>().copied();
        if !self.route_known
            && let Some(route) = response.extensions().get::<Route>()
        {
            ending.move_to(
                ending
                    .table
                    .route(self.method, route.as_str(), self.limits.routes as usize),
            );
            self.route_known = true;
        }
    }

    fn note_rpc<B>(&mut self, ending: &mut Ending, response: &Response<B>) {
        let answered = response.status() == StatusCode::OK && grpc::is_grpc(response.headers());
        ending.code = Code::from_headers(response.headers());
        if !answered && ending.code.is_none() {
            ending.code = Some(code_of_status(response.status()));
        }
        // An answer that a layer made says nothing of whether anybody serves the method.
        let proven = answered && ending.told.is_none() && ending.code != Some(Code::Unimplemented);
        if let (Some(path), true) = (self.unproven.take(), proven) {
            let rpc = ending.table.rpc(rpc_name(path.path()), self.limits.rpcs as usize);
            ending.rpc = Some(rpc);
            if !self.route_known {
                ending.move_to(ending.table.rpc_route(self.method, rpc));
            }
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
