//! Exemplar labels of the current request. The closure is that of the manual.

use campanile_core::RequestContext;
use campanile_recorder::ExemplarLabels;

/// The maximum length of an ID, which with its label name fills an exemplar.
const MAX_ID_BYTES: usize = 118;

/// Adds the ID of the current request, and its trace ID if there is one.
pub(super) fn current_request(labels: &mut ExemplarLabels) {
    RequestContext::with_current(|request| {
        let Some(request) = request else { return };
        let id = request.id().as_str();
        labels.push("request_id", &id[id.len().saturating_sub(MAX_ID_BYTES)..]);
        let trace = request
            .traceparent()
            .and_then(|value| value.to_str().ok()?.split('-').nth(1));
        if let Some(trace) = trace {
            labels.push("trace_id", trace);
        }
    });
}
