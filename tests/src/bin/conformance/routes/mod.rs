//! The routes of the service, inside campanile's inbound stack.

mod echo;
mod status;
mod timing;
mod websocket;

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

/// Makes the router.
pub(crate) fn router(service: &LifecycleHandle, flags: &Flags) -> Router {
    let mut layers = campanile_inbound::stack().with_metrics(flags.profile.server_metrics());
    if let Some(limit) = flags.max_concurrency {
        // A full service must not shed its health checks.
        let limit = InFlightLimitLayer::new(limit.get()).with_exempt_route("/health");
        layers = layers.with_in_flight_limit(limit);
    }
    Router::new()
        .route("/fast", get("ok"))
        .route("/any/", any("ok"))
        .route("/any/{*rest}", any("ok"))
        .route("/echo", get(echo::head).post(echo::body))
        .route("/status/{code}", get(status::status))
        .route("/status/{code}/{view}", get(status::status_and_view))
        .route("/sleep/{s}", get(timing::sleep))
        .route("/slow", get(timing::slow))
        .route("/block", get(timing::block))
        .route("/stream", get(timing::stream))
        .route("/boom", get(status::boom))
        .route("/ws", any(websocket::echo))
        .route_service("/health", admin_of(service).probes())
        .merge(
            Router::new()
                .route("/call", get(call::call))
                .with_state(Upstream::new(flags.profile)),
        )
        .layer(layers)
}
