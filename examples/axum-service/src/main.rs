//! An axum service with metrics of both directions, request IDs on outgoing calls, and an in-flight limit.
//!
//! ```text
//! cargo run -p axum-service -- --listen 127.0.0.1:3000
//! curl -i -H 'X-Request-Id: my-order' 127.0.0.1:3000/orders/7
//! curl 127.0.0.1:3000/metrics
//! ```
#![allow(clippy::print_stdout, reason = "prints the listen address")]

use std::{error::Error, future::ready, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode},
    routing::get,
};
use campanile::{
    RequestContext,
    inbound::InFlightLimitLayer,
    listen::Connections,
    outbound::{self, CallName},
    recorder::{CellRecorder, Format},
};
use clap::Parser;
use http_body_util::BodyExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower::ServiceExt;

/// An axum service with campanile's layers.
#[derive(Parser)]
struct Args {
    /// Address to listen on. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// The address of the warehouse service.
#[derive(Clone)]
struct Warehouse(SocketAddr);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;

    // Any recorder of the `metrics` facade works.
    let metrics = CellRecorder::new().install()?;

    let inbound = campanile::inbound::stack()
        .with_in_flight_limit(InFlightLimitLayer::new(512))
        .with_view_name(true);

    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/stock/{item}", get(stock))
        // In this example the warehouse is this service itself.
        .with_state(Warehouse(address))
        .layer(inbound)
        // Added after the layer, so that scrapes are not recorded.
        .route("/metrics", get(move || ready(metrics.render(Format::Prometheus))));

    let connections = Connections::new(address).with_limit(10_000);
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {address}");
    axum::serve(connections.count_listener(listener), app)
        .with_graceful_shutdown(async move {
            ctrl_c.recv().await;
        })
        .await?;
    Ok(())
}

/// Calls the warehouse. The outgoing request carries the ID of the current one.
async fn order(State(warehouse): State<Warehouse>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    let call = Request::get(format!("http://{}/stock/{id}", warehouse.0))
        .extension(CallName::new("warehouse", "get-stock"))
        .body(Body::empty())
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let response = outbound::shared()
        .oneshot(call)
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(format!(
        "order {id}: {}",
        String::from_utf8_lossy(&body.to_bytes())
    ))
}

async fn stock(Path(item): Path<u32>) -> String {
    let id = RequestContext::current().map(|request| request.id().to_string());
    format!(
        "{} of item {item} in stock, request {}\n",
        u64::from(item) * 3,
        id.unwrap_or_default()
    )
}
