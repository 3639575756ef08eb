//! Serves `ok` with the named server, to compare the cost of servers.
//!
//! ```text
//! cargo run --release -p campanile-drain --example cost -- campanile-axum 127.0.0.1:9003
//! wrk -t1 -c32 -d5 http://127.0.0.1:9003/
//! ```

use std::{
    convert::Infallible,
    error::Error,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;
use tower_service::Service;

const BODY: &str = "ok";

fn router() -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(async || BODY))
}

fn response() -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(BODY)))
}

/// Responds immediately.
#[derive(Clone, Copy)]
struct Immediate;

impl Service<Request<Incoming>> for Immediate {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        ready(response())
    }
}

/// hyper-util's auto builder with a task per connection.
async fn plain(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // Clients may close connections early.
            let _ = server
                .serve_connection_with_upgrades(TokioIo::new(stream), service_fn(async |_| response()))
                .await;
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (name, address) = (arguments.next(), arguments.next());
    let address: SocketAddr = address.ok_or("usage: cost SERVER ADDRESS")?.parse()?;
    match name.as_deref() {
        Some("auto") => plain(address).await?,
        Some("campanile") => {
            Server::new(Immediate).bind(address).run().await?;
        }
        Some("axum") => axum::serve(TcpListener::bind(address).await?, router()).await?,
        Some("campanile-axum") => {
            Server::new(router()).bind(address).run().await?;
        }
        _ => return Err("the servers are auto, campanile, axum and campanile-axum".into()),
    }
    Ok(())
}
