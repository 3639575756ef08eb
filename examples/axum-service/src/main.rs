//! An axum service that counts what comes in and goes out, links its calls by ids and says no before it drowns.
//!
//! ```text
//! cargo run -p axum-service -- --listen 127.0.0.1:3000
//! curl -i -H 'X-Request-Id: my-order' 127.0.0.1:3000/orders/7
//! curl 127.0.0.1:3000/metrics
//! ```
#![allow(clippy::print_stdout, reason = "a program says where it listens")]

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

/// A measured axum service.
#[derive(Parser)]
struct Args {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Where the other service is.
#[derive(Clone)]
struct Warehouse(SocketAddr);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;

    // Any recorder of the `metrics` facade will do.
    let metrics = CellRecorder::new().install()?;

    let inbound = campanile::inbound::stack()
        .with_in_flight_limit(InFlightLimitLayer::new(512))
        .with_view_name(true);

    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/stock/{item}", get(stock))
        // Here it is this service itself.
        .with_state(Warehouse(address))
        .layer(inbound)
        // Added after the layer, so a scrape is not counted as a request.
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

/// Makes an outgoing call. It carries the id of this request without being told.
async fn order(State(warehouse): State<Warehouse>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    let call = Request::get(format!("http://{}/stock/{id}", warehouse.0))
        .extension(CallName::new("warehouse", "get-stock"))
        .body(Body::empty())
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let answer = outbound::shared()
        .oneshot(call)
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    let body = answer
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
        "{} left of item {item}, asked by {}\n",
        u64::from(item) * 3,
        id.unwrap_or_default()
    )
}
