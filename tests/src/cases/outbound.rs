//! The layers of outgoing calls.

use campanile_outbound::{MetricsLayer, PropagateLayer};
use tower::Layer;

use super::{Case, idle::IDLE, run::within_request, services::Trivial};

pub(super) fn outgoing_metrics() -> MetricsLayer {
    MetricsLayer::new().with_recorder(&IDLE)
}

pub(super) fn cases() -> Vec<Case> {
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
    ]
}
