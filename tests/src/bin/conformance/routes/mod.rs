//! The routes of the service, inside all of campanile's inbound layers.

mod echo;
mod socket;
mod status;
mod timing;

use axum::{
    Router,
    routing::{any, get},
};
use campanile_inbound::InFlightLimitLayer;
use campanile_lifecycle::LifecycleHandle;
use campanile_server::admin_of;

use crate::{
    call::{self, Upstream},
    flags::Flags,
};

/// Makes the service.
pub(crate) fn router(service: &LifecycleHandle, flags: &Flags) -> Router {
    let mut layers = campanile_inbound::stack().with_metrics(flags.profile.server_metrics());
    if let Some(limit) = flags.max_concurrency {
        // A probe must hear that the service is full, not be shed by it.
        let limit = InFlightLimitLayer::new(limit.get()).with_exempt_route("/health");
        layers = layers.with_in_flight_limit(limit);
    }
    Router::new()
        .route("/fast", get("ok"))
        .route("/any/", any("ok"))
        .route("/any/{*rest}", any("ok"))
        .route("/echo", get(echo::headers).post(echo::body))
        .route("/status/{code}", get(status::status))
        .route("/status/{code}/{view}", get(status::status_and_view))
        .route("/sleep/{s}", get(timing::sleep))
        .route("/slow", get(timing::slow))
        .route("/block", get(timing::block))
        .route("/stream", get(timing::stream))
        .route("/boom", get(status::boom))
        .route("/ws", any(socket::echo))
        .route_service("/health", admin_of(service).probes())
        .merge(
            Router::new()
                .route("/call", get(call::call))
                .with_state(Upstream::new(flags.profile)),
        )
        .layer(layers)
}
