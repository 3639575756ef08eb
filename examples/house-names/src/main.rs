//! A service whose metrics are named in a house's own style: ten lines of a table, and no other change.
//!
//! ```text
//! cargo run -p house-names -- --listen 127.0.0.1:3000
//! curl 127.0.0.1:3000/orders/7
//! curl 127.0.0.1:3000/metrics
//! ```
#![allow(clippy::print_stdout, reason = "a program says where it listens")]

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

/// How this house names what the layers record. What is not named here keeps its name.
#[rustfmt::skip]
const HOUSE: [Row; 10] = [
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

/// A service that names its metrics as the house does.
#[derive(Parser)]
struct Args {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;

    let house = Profile::new(HOUSE)?;
    let recorder = CellRecorder::builder().with_profile_buckets(&house).build();
    metrics::set_global_recorder(house.over(recorder.clone())).map_err(|error| error.to_string())?;

    // What the house has no names for is not recorded.
    let measured = MetricsLayer::new()
        .with_response_duration(false)
        .with_body_sizes(false);
    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/stock", get("12 left\n"))
        // Here it is this service itself.
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
    let answer = outbound::shared().oneshot(call).await;
    let answer = answer.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(Body::new(answer.into_body()))
}
