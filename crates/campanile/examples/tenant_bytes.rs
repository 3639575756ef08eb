//! An observer of one's own: counts the response bytes of each tenant, under a bounded label.
//!
//! `cargo run -p campanile --example tenant_bytes --features axum` sends three requests to itself and prints the counter.

#![allow(clippy::print_stdout, reason = "the counter is the example")]

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
    routing::get,
};
use campanile::{
    exchange::{Begin, End, ExchangeLayer, Observe, Observer},
    metrics::{Descriptor, LabelLimiter, OTHER, RecorderHandle, Unit},
    recorder::{CellRecorder, Format},
};
use metrics::{Counter, Label};
use tower::ServiceExt;

const TENANT_BYTES: Descriptor = Descriptor::counter(
    "tenant_response_bytes_total",
    Some(Unit::Bytes),
    "Response bytes that were handed over, by tenant",
    &["tenant"],
);

#[derive(Clone)]
struct TenantBytes {
    recorder: RecorderHandle,
    tenants: Arc<LabelLimiter>,
}

struct TenantExchange {
    bytes: Option<Counter>,
}

impl TenantBytes {
    /// Returns the tenant of a request; `other` beyond the first hundred.
    fn tenant(&self, headers: &HeaderMap) -> String {
        let tenant = headers.get("x-tenant").and_then(|value| value.to_str().ok());
        match tenant {
            Some(tenant) if tenant.len() <= 64 && self.tenants.admit(tenant, 100) => tenant.to_owned(),
            _ => OTHER.to_owned(),
        }
    }
}

impl<B> Observe<B> for TenantBytes {
    type Observer = TenantExchange;

    fn begin(&self, request: &mut Request<B>) -> Begin<TenantExchange> {
        let label = Label::new("tenant", self.tenant(request.headers()));
        let bytes = self
            .recorder
            .with(|recorder| TENANT_BYTES.register(recorder, vec![label]));
        Begin::Observe(TenantExchange { bytes })
    }
}

impl Observer for TenantExchange {
    fn on_end(&mut self, end: End<'_>) {
        if let Some(bytes) = &self.bytes {
            bytes.increment(end.bytes);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recorder = Arc::new(CellRecorder::new());
    let layer = ExchangeLayer::new(TenantBytes {
        recorder: Arc::clone(&recorder).into(),
        tenants: Arc::default(),
    });
    let app: Router = Router::new()
        .route("/report", get(|| async { "ten bytes!" }))
        .layer(layer);
    for tenant in ["blue", "green", "blue"] {
        let request = Request::get("/report")
            .header("x-tenant", tenant)
            .body(Body::empty())?;
        let response = app.clone().oneshot(request).await?;
        axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    }
    print!("{}", recorder.render(Format::Prometheus));
    Ok(())
}
