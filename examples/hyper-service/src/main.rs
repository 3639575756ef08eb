//! A bare hyper service: a hand-written accept loop, HTTP/1 and HTTP/2, and campanile's layers around a function.
//!
//! ```text
//! cargo run -p hyper-service -- --listen 127.0.0.1:3000
//! curl -i 127.0.0.1:3000/hello/you
//! curl 127.0.0.1:3000/metrics
//! ```
#![allow(clippy::print_stdout, reason = "prints the listen address")]

use std::{convert::Infallible, error::Error, future::ready, net::SocketAddr, time::Duration};

use bytes::Bytes;
use campanile::{
    RequestContext,
    inbound::{MetricsLayer, Route},
    listen::Connections,
    recorder::{CellRecorder, Format},
};
use clap::Parser;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tower::{ServiceBuilder, service_fn};

/// A hyper service with campanile's layers.
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
    let metrics = CellRecorder::new().install()?;

    let layers = campanile::inbound::stack().with_metrics(MetricsLayer::new().with_skipped_route("/metrics"));
    let service = ServiceBuilder::new()
        .layer(layers)
        .service(service_fn(move |request| {
            ready(Ok::<_, Infallible>(respond(&request, &metrics)))
        }));
    let service = TowerToHyperService::new(service);

    let connections = Connections::new(address).with_limit(10_000);
    let server = auto::Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {address}");
    loop {
        // A slot is taken before accepting: at the limit, clients wait in the kernel's accept queue.
        let accepted = async { (connections.ready().await, listener.accept().await) };
        let (slot, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = ctrl_c.recv() => break,
        };
        match accepted {
            Ok((stream, _peer)) => {
                let io = TokioIo::new(slot.wrap(stream));
                let connection = server
                    .serve_connection_with_upgrades(io, service.clone())
                    .into_owned();
                tokio::spawn(graceful.watch(connection));
            }
            Err(error) => {
                connections.accept_failed(&error);
                // Without free file descriptors the next call would fail immediately as well.
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    graceful.shutdown().await;
    Ok(())
}

fn respond(request: &Request<Incoming>, metrics: &CellRecorder) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let (status, route, text) = if path == "/metrics" {
        (StatusCode::OK, "/metrics", metrics.render(Format::Prometheus))
    } else if let Some(name) = path.strip_prefix("/hello/") {
        let id = RequestContext::current().map(|request| request.id().to_string());
        (
            StatusCode::OK,
            "/hello/{name}",
            format!("hello {name}, your request ID is {}\n", id.unwrap_or_default()),
        )
    } else {
        (StatusCode::NOT_FOUND, "other", String::from("not found\n"))
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    // There is no router, so the handler sets the route.
    response.extensions_mut().insert(Route::new(route));
    response
}
