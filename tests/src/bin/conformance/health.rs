//! How far the service is, and what a probe is told of it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// The phase of the service. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Phase(Arc<AtomicU8>);

impl Phase {
    /// Makes the phase of a service that does not answer yet.
    pub(crate) fn starting() -> Self {
        Self(Arc::new(AtomicU8::new(STARTING)))
    }

    /// From now on it answers.
    pub(crate) fn ready(&self) {
        self.0.store(READY, Ordering::Release);
    }

    /// From now on it stops.
    pub(crate) fn draining(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    fn answer(&self, asked: Asked) -> Response {
        let phase = self.0.load(Ordering::Acquire);
        let well = match asked {
            Asked::Liveness => true,
            Asked::Startup => phase != STARTING,
            Asked::Readiness => phase == READY,
        };
        let status = if well {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let name = match phase {
            STARTING => "starting",
            READY => "ready",
            _ => "draining",
        };
        (
            status,
            Json(json!({"phase": name, "seconds_left": null, "checks": {}})),
        )
            .into_response()
    }
}

#[derive(Clone, Copy)]
enum Asked {
    Readiness,
    Liveness,
    Startup,
}

/// Answers `/health?type=…`.
pub(crate) async fn health(
    State(phase): State<Phase>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let asked = match query.get("type").map(String::as_str) {
        Some("liveness" | "2") => Asked::Liveness,
        Some("startup" | "3") => Asked::Startup,
        _ => Asked::Readiness,
    };
    phase.answer(asked)
}

/// Answers `/readyz`.
pub(crate) async fn ready(State(phase): State<Phase>) -> Response {
    phase.answer(Asked::Readiness)
}
