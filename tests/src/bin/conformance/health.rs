//! What a probe is told of the service.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use campanile_lifecycle::{Handle, Phase};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy)]
enum Asked {
    Readiness,
    Liveness,
    Startup,
}

/// Answers `/health?type=…`.
pub(crate) async fn health(
    State(service): State<Handle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let asked = match query.get("type").map(String::as_str) {
        Some("liveness" | "2") => Asked::Liveness,
        Some("startup" | "3") => Asked::Startup,
        _ => Asked::Readiness,
    };
    answer(&service, asked).await
}

async fn answer(service: &Handle, asked: Asked) -> Response {
    let readiness = service.readiness().await;
    let well = match asked {
        Asked::Liveness => true,
        Asked::Startup => readiness.phase() > Phase::Starting,
        Asked::Readiness => readiness.is_ready(),
    };
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let checks: Map<String, Value> = readiness
        .checks()
        .map(|(name, outcome)| (name.to_owned(), outcome.to_string().into()))
        .collect();
    let told = json!({
        "phase": readiness.phase().as_str(),
        "seconds_left": readiness.time_left().map(|left| left.as_secs_f64()),
        "checks": checks,
    });
    (status, Json(told)).into_response()
}
