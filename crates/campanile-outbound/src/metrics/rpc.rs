//! The series of a gRPC method.

use campanile_core::grpc::Code;
use campanile_metrics::{LazyHandle, RecorderHandle};
use metrics::Counter;

use crate::names::{self, label, labels};

/// The series of a gRPC method.
pub(crate) struct RpcSeries {
    method: &'static str,
    pub(super) folded: bool,
    codes: [LazyHandle<Counter>; Code::ALL.len()],
}

impl RpcSeries {
    pub(super) fn new(method: &'static str, folded: bool) -> Self {
        Self {
            method,
            folded,
            codes: [const { LazyHandle::new() }; Code::ALL.len()],
        }
    }

    pub(super) fn count(&self, recorder: RecorderHandle, code: Code) {
        let counter = self.codes[code as usize].get(recorder, |recorder| {
            let labels = labels([
                (label::RPC_METHOD, self.method),
                (label::RPC_STATUS, code.as_str()),
            ]);
            names::RPC_REQUESTS.register::<Counter>(recorder, labels)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}
