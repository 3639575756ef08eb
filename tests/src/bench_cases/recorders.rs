//! campanile's recorder with and without a profile, and the layers with the labels that profiles need.

use campanile_inbound::{MetricsLayer, stack};
use campanile_recorder::{CellRecorder, Profile};
use metrics::Recorder;
use tower::Layer;

use super::{
    BenchCase,
    case::{case, within_request},
    inbound::all_families,
    outbound::outgoing_metrics,
    requests::{identified, plain},
    routers::router,
    services::Trivial,
};

const BARE: &str = "recorder: bare: count, duration, active";
const BARE_STACK: &str = "recorder: bare: stack()";

/// Returns the cases. The baseline of a case with a profile is the case without one.
pub(super) fn cases() -> Vec<BenchCase> {
    let tower = "tower: bare";
    vec![
        case(
            "tower: metrics: every family, by view and status",
            tower,
            all_families()
                .with_view_name_as_route(true)
                .with_status_labels(true)
                .layer(Trivial),
            plain,
        ),
        within_request(
            "client: metrics, by method and status",
            "client: bare",
            outgoing_metrics().with_status_labels(true).layer(Trivial),
        ),
        case(BARE, tower, small(CellRecorder::new()).layer(Trivial), plain),
        case(
            "recorder: bare: every family",
            tower,
            all(CellRecorder::new()).layer(Trivial),
            plain,
        ),
        case(
            "axum: recorder: count, duration, active",
            "axum: bare",
            router(|router| router.layer(small(CellRecorder::new()))),
            plain,
        ),
        case(
            "axum: recorder: every family",
            "axum: bare",
            router(|router| router.layer(all(CellRecorder::new()))),
            plain,
        ),
        within_request(
            "client: recorder: metrics",
            "client: bare",
            campanile_outbound::MetricsLayer::new()
                .with_recorder(Box::leak(Box::new(CellRecorder::new())))
                .layer(Trivial),
        ),
        case(
            "recorder: under talisker's: count, duration, active",
            BARE,
            small(Profile::talisker().over(CellRecorder::new())).layer(Trivial),
            plain,
        ),
        case(
            BARE_STACK,
            "tower: bare, id in the request",
            stack().with_metrics(all(CellRecorder::new())).layer(Trivial),
            identified,
        ),
        case(
            "recorder: under talisker's: stack()",
            BARE_STACK,
            stack()
                .with_metrics(all(Profile::talisker().over(CellRecorder::new())))
                .layer(Trivial),
            identified,
        ),
    ]
}

fn all(recorder: impl Recorder + Sync + 'static) -> MetricsLayer {
    MetricsLayer::new().with_recorder(Box::leak(Box::new(recorder)))
}

fn small(recorder: impl Recorder + Sync + 'static) -> MetricsLayer {
    all(recorder).with_response_duration(false).with_body_sizes(false)
}
