//! Bare hyper: an accept loop of its own, HTTP/1 and HTTP/2, and campanile's layers around a function.
//!
//! ```text
//! cargo run -p hyper-service -- --listen 127.0.0.1:3000
//! curl -i 127.0.0.1:3000/hello/you
//! curl 127.0.0.1:3000/metrics
//! ```
#![allow(clippy::print_stdout, reason = "a program says where it listens")]

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

/// A measured hyper service.
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
    let metrics = CellRecorder::new().install()?;

    let layers = campanile::inbound::stack().with_metrics(MetricsLayer::new().with_skipped_route("/metrics"));
    let service = ServiceBuilder::new()
        .layer(layers)
        .service(service_fn(move |request| {
            ready(Ok::<_, Infallible>(answer(&request, &metrics)))
        }));
    let service = TowerToHyperService::new(service);

    let connections = Connections::new(address).with_limit(10_000);
    let server = auto::Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {address}");
    loop {
        // First the place, then the connection: at the limit clients wait in the kernel's queue.
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
                // Without file descriptors the next one would fail at once, too.
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    graceful.shutdown().await;
    Ok(())
}

fn answer(request: &Request<Incoming>, metrics: &CellRecorder) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let (status, route, text) = if path == "/metrics" {
        (StatusCode::OK, "/metrics", metrics.render(Format::Prometheus))
    } else if let Some(name) = path.strip_prefix("/hello/") {
        let id = RequestContext::current().map(|request| request.id().to_string());
        (
            StatusCode::OK,
            "/hello/{name}",
            format!("hello {name}, you are {}\n", id.unwrap_or_default()),
        )
    } else {
        (StatusCode::NOT_FOUND, "other", String::from("nothing here\n"))
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    // Nobody but this function knows the route, so it says so.
    response.extensions_mut().insert(Route::new(route));
    response
}
