//! The handles of a gRPC method.

use campanile_core::{
    grpc::Code,
    series::{Lazy, Source},
};
use http::uri::PathAndQuery;
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

/// Counts the end of a call, and tells whether its name was folded.
pub(super) fn count(
    table: &'static Table,
    known: Option<&'static RpcBlock>,
    unproven: Option<&PathAndQuery>,
    code: Option<Code>,
    limit: usize,
) -> bool {
    let code = code.unwrap_or(Code::Unknown);
    let path = unproven.map_or("", PathAndQuery::path);
    let block = known.unwrap_or_else(|| table.rpc(name(path), code != Code::Unimplemented, limit));
    block.count(table.source, code);
    block.folded
}

/// Returns `package.Service/Method` of a gRPC path.
pub(super) fn name(path: &str) -> &str {
    path.trim_start_matches('/')
}
