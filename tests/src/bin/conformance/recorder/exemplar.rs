//! Which request an observation belongs to. The closure is the manual's.

use campanile_core::RequestContext;
use campanile_recorder::ExemplarLabels;

/// The most bytes of an id that go into an exemplar: with its label's name they fill it.
const ID: usize = 118;

/// Tells the id of the request being served, and its trace if it has one.
pub(super) fn current_request(labels: &mut ExemplarLabels) {
    RequestContext::with_current(|request| {
        let Some(request) = request else { return };
        let id = request.id().as_str();
        labels.push("request_id", &id[id.len().saturating_sub(ID)..]);
        let trace = request
            .traceparent()
            .and_then(|value| value.to_str().ok()?.split('-').nth(1));
        if let Some(trace) = trace {
            labels.push("trace_id", trace);
        }
    });
}
