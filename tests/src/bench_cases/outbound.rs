//! The outbound layers.

use campanile_outbound::{MetricsLayer, PropagateLayer, stack};
use tower::Layer;

use super::{BenchCase, case::within_request, noop_recorder::NOOP_RECORDER, services::Trivial};

pub(super) fn outgoing_metrics() -> MetricsLayer {
    MetricsLayer::new().with_recorder(&NOOP_RECORDER)
}

pub(super) fn cases() -> Vec<BenchCase> {
    vec![
        within_request("client: bare", "client: bare", Trivial),
        within_request(
            "client: metrics",
            "client: bare",
            outgoing_metrics().layer(Trivial),
        ),
        within_request(
            "client: id composed and sent",
            "client: bare",
            PropagateLayer::new().layer(Trivial),
        ),
        within_request(
            "client: metrics, id composed and sent",
            "client: bare",
            outgoing_metrics().layer(PropagateLayer::new().layer(Trivial)),
        ),
        within_request(
            "client: stack()",
            "client: bare",
            stack().with_metrics(outgoing_metrics()).layer(Trivial),
        ),
    ]
}
