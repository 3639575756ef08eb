//! The series of one gRPC method.

use std::{array, sync::OnceLock};

use campanile_core::{grpc::Code, in_flight, method};
use campanile_metrics::{LazyHandle, OTHER};
use metrics::{Counter, Label};

use super::{InboundSeries, RouteSeries};
use crate::names;

/// The series of one gRPC method.
pub(crate) struct RpcSeries {
    pub(super) name: &'static str,
    codes: [LazyHandle<Counter>; Code::ALL.len()],
    pub(super) routes: [OnceLock<&'static RouteSeries>; method::NAMES.len()],
}

impl RpcSeries {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: in_flight::InternedName::new(name).as_str().unwrap_or(OTHER),
            codes: array::from_fn(|_| LazyHandle::new()),
            routes: [const { OnceLock::new() }; method::NAMES.len()],
        }
    }

    /// Counts the end of a call.
    pub(crate) fn count(&self, table: &InboundSeries, code: Code) {
        let counter = self.codes[code as usize].get(table.recorder, |recorder| {
            let labels = vec![
                Label::from_static_parts(names::RPC_METHOD, self.name),
                Label::from_static_parts(names::RPC_STATUS, code.as_str()),
            ];
            names::RPCS.register(recorder, labels)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}
