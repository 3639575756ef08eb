//! The series of one gRPC method.

use std::{array, sync::OnceLock};

use campanile_core::{
    grpc::Code,
    in_flight::Label,
    method,
    series::{Lazy, OTHER},
};
use metrics::{Counter, Label as MetricLabel};

use super::{RouteSeries, ServerSeries};
use crate::names;

/// The series of one gRPC method.
pub(crate) struct RpcSeries {
    pub(super) name: &'static str,
    codes: [Lazy<Counter>; Code::ALL.len()],
    pub(super) routes: [OnceLock<&'static RouteSeries>; method::NAMES.len()],
}

impl RpcSeries {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: Label::intern(name).name().unwrap_or(OTHER),
            codes: array::from_fn(|_| Lazy::new()),
            routes: [const { OnceLock::new() }; method::NAMES.len()],
        }
    }

    /// Counts the end of a call.
    pub(crate) fn count(&self, table: &ServerSeries, code: Code) {
        let counter = self.codes[code as usize].get(table.source, |recorder| {
            let labels = vec![
                MetricLabel::from_static_parts(names::RPC_METHOD, self.name),
                MetricLabel::from_static_parts(names::RPC_STATUS, code.as_str()),
            ];
            table.counter(recorder, names::RPCS, labels)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}
