//! The inbound layers around an axum route.

use axum::{Router, extract::Path, routing::get};
use campanile_inbound::stack;

use super::{
    BenchCase,
    case::case,
    inbound::{all_families, count_duration_active},
    requests::plain,
    services::NoOpLayer,
};

/// Makes a router without state, as a server gets it.
pub(super) fn router(layered: impl FnOnce(Router) -> Router) -> Router {
    layered(Router::new().route("/users/{id}", get(user))).with_state(())
}

async fn user(Path(_): Path<String>) -> &'static str {
    "hello world"
}

pub(super) fn cases() -> Vec<BenchCase> {
    let axum = "axum: layer that does nothing";
    vec![
        case("axum: bare", "axum: bare", router(|router| router), plain),
        case(
            axum,
            "axum: bare",
            router(|router| router.layer(NoOpLayer)),
            plain,
        ),
        case(
            "axum: metrics: count, duration, active",
            "axum: bare",
            router(|router| router.layer(count_duration_active())),
            plain,
        ),
        case(
            "axum: metrics: every family",
            "axum: bare",
            router(|router| router.layer(all_families())),
            plain,
        ),
        case(
            "axum: stack(), every family",
            "axum: bare",
            router(|router| router.layer(stack().with_metrics(all_families()))),
            plain,
        ),
    ]
}
