//! A service that renames its metrics with a custom profile: a table of ten rows, and no other change.
//!
//! ```text
//! cargo run -p custom-profile -- --listen 127.0.0.1:3000
//! curl 127.0.0.1:3000/orders/7
//! curl 127.0.0.1:3000/metrics
//! ```
#![allow(clippy::print_stdout, reason = "prints the listen address")]

use std::{error::Error, future::ready, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    routing::get,
};
use campanile::{
    inbound::{MetricsLayer, stack},
    outbound::{self, CallName},
    recorder::{
        CellRecorder, Format,
        profile::{Label, Profile, Row},
    },
};
use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower::ServiceExt;

const SITE: Label = Label::constant("site", "lon1");
const PATH: Label = Label::from_source("path", "http_route");
const CODE: Label = Label::from_source("code", "http_response_status_code").with_default("none");
const PEER: Label = Label::from_source("peer", "server_address");
const WHY: Label = Label::from_source("why", "error_code");
const MS: &[f64] = &[1.0, 5.0, 25.0, 100.0, 500.0, 2_500.0];

/// The names of this organization for campanile's metrics. Metrics that are not listed keep their names.
#[rustfmt::skip]
const ACME: [Row; 10] = [
    Row::counter("http_server_requests_total", "acme_in_total").with_labels(&[SITE, PATH, CODE]),
    Row::histogram("http_server_request_duration_seconds", "acme_in_ms").with_labels(&[SITE, PATH]).in_milliseconds().with_buckets(MS),
    Row::gauge("http_server_active_requests", "acme_in_flight").with_labels(&[SITE]),
    Row::counter("http_client_requests_total", "acme_out_total").with_labels(&[SITE, PEER]),
    Row::counter("http_client_errors_total", "acme_out_errors_total").with_labels(&[SITE, PEER, WHY]),
    Row::histogram("http_client_request_duration_seconds", "acme_out_ms").with_labels(&[SITE, PEER]).in_milliseconds().with_buckets(MS),
    Row::gauge("http_client_active_requests", "acme_out_flight").with_labels(&[SITE]),
    Row::counter("http_client_connections_total", "acme_out_connections_total").with_labels(&[SITE, PEER]),
    Row::histogram("http_client_connect_duration_seconds", "acme_out_connect_ms").with_labels(&[SITE]).in_milliseconds().with_buckets(MS),
    Row::gauge("http_client_open_connections", "acme_out_connections").with_labels(&[SITE]),
];

/// A service with a custom metrics profile.
#[derive(Parser)]
struct Args {
    /// Address to listen on. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;

    let profile = Profile::new(ACME)?;
    let recorder = CellRecorder::builder().with_profile_buckets(&profile).build();
    metrics::set_global_recorder(profile.over(recorder.clone())).map_err(|error| error.to_string())?;

    // Switches off metrics that the profile does not rename.
    let measured = MetricsLayer::new()
        .with_response_duration(false)
        .with_body_sizes(false);
    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/stock", get("12 left\n"))
        // In this example the warehouse is this service itself.
        .with_state(address)
        .layer(stack().with_metrics(measured))
        .route(
            "/metrics",
            get(move || ready(recorder.render(Format::Prometheus))),
        );

    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {address}");
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            ctrl_c.recv().await;
        })
        .await?;
    Ok(())
}

async fn order(State(warehouse): State<SocketAddr>) -> Result<Body, StatusCode> {
    let call = Request::get(format!("http://{warehouse}/stock"))
        .extension(CallName::new("warehouse", "stock"))
        .body(Body::empty())
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let response = outbound::shared().oneshot(call).await;
    let response = response.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(Body::new(response.into_body()))
}
