//! The handles of a gRPC method, and the status of a call.

use campanile_http::{
    grpc::Code,
    series::{Lazy, Source},
};
use http::{Method, Request, uri::PathAndQuery};
use metrics::Counter;

use super::{register::register_counter, table::Table};
use crate::names;

/// The handles of a gRPC method.
pub(crate) struct RpcBlock {
    method: &'static str,
    pub(super) folded: bool,
    codes: [Lazy<Counter>; Code::ALL.len()],
}

impl RpcBlock {
    pub(super) fn new(method: &'static str, folded: bool) -> Self {
        Self {
            method,
            folded,
            codes: [const { Lazy::new() }; Code::ALL.len()],
        }
    }

    fn count(&self, source: Source, code: Code) {
        let handle = self.codes[code as usize].get(source, |recorder| {
            register_counter(
                recorder,
                &names::RPC_REQUESTS,
                [
                    (names::label::RPC_METHOD, self.method),
                    (names::label::RPC_STATUS, code.as_str()),
                ],
            )
        });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }
}

/// A call of gRPC that has not ended.
pub(super) struct RpcCall {
    method: Name,
    pub(super) code: Option<Code>,
}

enum Name {
    Known(&'static RpcBlock),
    /// Kept until it is known whether anybody implements it. Boxed, since it is seldom: a call is moved often.
    New(Box<PathAndQuery>),
}

impl RpcCall {
    /// Begins a call, if the request is one of gRPC.
    #[inline]
    pub(super) fn begin<B>(table: &'static Table, request: &Request<B>) -> Option<Self> {
        if *request.method() != Method::POST || !campanile_http::grpc::is_grpc(request.headers()) {
            return None;
        }
        let path = request.uri().path_and_query()?;
        let method = match table.known_rpc(name(path)) {
            Some(block) => Name::Known(block),
            None => Name::New(Box::new(path.clone())),
        };
        Some(Self { method, code: None })
    }

    /// Counts the call, and tells whether its name was folded.
    pub(super) fn end(self, table: &'static Table, limit: usize) -> bool {
        let code = self.code.unwrap_or(Code::Unknown);
        let block = match self.method {
            Name::Known(block) => block,
            Name::New(path) => table.rpc(name(&path), code != Code::Unimplemented, limit),
        };
        block.count(table.source, code);
        block.folded
    }
}

fn name(path: &PathAndQuery) -> &str {
    path.path().trim_start_matches('/')
}
