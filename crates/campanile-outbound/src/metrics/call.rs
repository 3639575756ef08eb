//! One call, from its beginning to its one end.

use std::{
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

use campanile_core::{
    RequestContext,
    clock::FastInstant,
    grpc::{self, Code},
    in_flight::InFlightEntryRef,
    method,
    nesting::{EnteredLayer, LayerId},
    seldom::Seldom,
    spares::Spares,
};
use http::{Method, Request, uri::Authority};

use super::{
    counted::Counted,
    options::{self, Options, with_host},
    rare::Rare,
    rpc::{self, RpcBlock},
    table::{HostBlock, Table},
    view::ViewBlock,
};
use crate::{CallName, failure::Failure};

/// A call that has not ended. Whoever holds it ends it: the future up to the head, then the body.
///
/// It has no `Drop` of its own.
pub(super) struct Call {
    pub(super) table: &'static Table,
    pub(super) identity: LayerId,
    pub(super) host: &'static HostBlock,
    pub(super) view: Option<&'static ViewBlock>,
    pub(super) rpc: Option<&'static RpcBlock>,
    pub(super) rare: Seldom<Rare>,
    pub(super) failure: Option<Failure>,
    pub(super) seat: Option<InFlightEntryRef>,
    pub(super) started: FastInstant,
    pub(super) seconds: f64,
    pub(super) views: u32,
    pub(super) rpc_methods: u32,
    /// The status of the head; 0 as long as there is none.
    pub(super) status: u16,
    pub(super) method: u8,
    pub(super) code: Option<Code>,
    pub(super) is_rpc: bool,
    /// Whether the answer may name the view.
    pub(super) asks_view: bool,
    pub(super) counted: Counted,
}

thread_local! {
    static SPARES: Spares<Call> = const { Spares::new() };
}

impl Call {
    /// Begins a call to a host that is known by its authority; nothing for another, and for one that a layer further
    /// out counts.
    // Not inlined, as `head` is not: a layer's own code is small then, and what it wraps can be inlined into it.
    #[inline(never)]
    pub(super) fn begin_usual(
        table: &'static Table,
        authority: &str,
        path: &str,
        method: u8,
    ) -> Option<Box<Self>> {
        let identity = identity(table, authority, path);
        if identity.is_around() {
            return None;
        }
        let host = table.known_authority(authority)?;
        Some(Spares::keep(
            &SPARES,
            Self {
                counted: Counted::begin_usual(table.source, host),
                ..Self::new(table, identity, host, method)
            },
        ))
    }

    /// Begins a call that may be gRPC's, named by the caller or otherwise unusual.
    pub(super) fn begin_apart<B>(
        table: &'static Table,
        options: Option<&Options>,
        request: &Request<B>,
        identity: LayerId,
    ) -> Box<Self> {
        let name = request.extensions().get::<CallName>();
        let (hosts, views, rpc_methods) = match options {
            None => (options::HOSTS, options::VIEWS, options::RPC_METHODS),
            Some(options) => (options.hosts, options.views, options.rpc_methods),
        };
        let host = find_host(table, options, name, request, hosts);
        let view = name
            .and_then(CallName::view)
            .map(|view| table.view(host, view, views));
        let is_rpc = *request.method() == Method::POST
            && grpc::is_grpc(request.headers())
            && request.uri().path_and_query().is_some();
        let rpc = if is_rpc {
            table.known_rpc(rpc::name(request.uri().path()))
        } else {
            None
        };
        let method = method::number(request.method());
        Spares::keep(
            &SPARES,
            Self {
                view,
                rpc,
                is_rpc,
                rare: Rare::of(request, is_rpc && rpc.is_none()),
                counted: Counted::begin(table.source, options, host, method),
                asks_view: view.is_none() && options.is_none_or(|options| options.believes(host.name)),
                views: u32::try_from(views).unwrap_or(u32::MAX),
                rpc_methods: u32::try_from(rpc_methods).unwrap_or(u32::MAX),
                ..Self::new(table, identity, host, method)
            },
        )
    }

    /// Notes the call in the table of requests in flight, and reads the clock.
    #[inline]
    fn new(table: &'static Table, identity: LayerId, host: &'static HostBlock, method: u8) -> Self {
        let seat = RequestContext::current_entry();
        if let Some(seat) = seat {
            seat.set_calling(host.label);
        }
        Self {
            table,
            identity,
            host,
            view: None,
            rpc: None,
            rare: Seldom::nothing(),
            failure: None,
            seat,
            started: FastInstant::now(),
            seconds: 0.0,
            views: options::VIEWS as u32,
            rpc_methods: options::RPC_METHODS as u32,
            status: 0,
            method,
            code: None,
            is_rpc: false,
            asks_view: true,
            counted: Counted::NotActive,
        }
    }

    /// Notes that the layer stands around the inner service, while the guard lives.
    #[inline]
    pub(super) fn enter(&self) -> EnteredLayer {
        self.identity.enter()
    }
}

/// Makes the identity of a call, by which calls are told apart that are made within one another.
///
/// By the text of the URL and not by where it stands in memory: the outer call's may be freed when the inner one's is
/// made, and the same place used again.
#[inline]
pub(super) fn identity(table: &'static Table, authority: &str, path: &str) -> LayerId {
    LayerId::of(table).with(fingerprint(authority, path))
}

/// Gives back the box of a call that has ended.
#[inline]
pub(super) fn give_back(call: Box<Call>) {
    Spares::give_back(&SPARES, call);
}

#[inline]
fn fingerprint(authority: &str, path: &str) -> usize {
    static STATE: OnceLock<foldhash::fast::FixedState> = OnceLock::new();
    let state = STATE.get_or_init(foldhash::fast::FixedState::default);
    let mut hasher = state.build_hasher();
    hasher.write(authority.as_bytes());
    hasher.write(path.as_bytes());
    hasher.finish() as usize
}

/// Finds the block of the host that a call goes to.
#[inline]
fn find_host<B>(
    table: &'static Table,
    options: Option<&Options>,
    name: Option<&CallName>,
    request: &Request<B>,
    limit: usize,
) -> &'static HostBlock {
    // What the options rename belongs to their layer, and the table to all of the recorder.
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
