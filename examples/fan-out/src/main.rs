//! One request to `a` causes four calls to `b` and four to `c`. Their request IDs form a tree.
//!
//! ```text
//! cargo run -p fan-out -- --listen 127.0.0.1:3000
//! curl -H 'X-Request-Id: mine' 127.0.0.1:3000
//! ```
//!
//! Each response has the request ID of its service and, indented below it, the responses of the services that it called. An ID
//! ends with the ID of the first request, and has a prefix of 16 digits for every call on the way.
#![allow(clippy::print_stdout, reason = "prints the tree")]

use std::{error::Error, net::SocketAddr};

use axum::{Router, body::Body, extract::State, http::Request, routing::get};
use campanile::{InRequestExt, RequestContext, outbound};
use clap::Parser;
use http_body_util::BodyExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower::ServiceExt;

/// Three services that call each other, and the tree of their request IDs.
#[derive(Parser)]
struct Args {
    /// Address of the first service. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// The client of another service.
#[derive(Clone, Copy)]
struct Remote(SocketAddr);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let c = TcpListener::bind("127.0.0.1:0").await?;
    let b = TcpListener::bind("127.0.0.1:0").await?;
    let a = TcpListener::bind(args.listen).await?;
    let (to_a, to_b, to_c) = (a.local_addr()?, b.local_addr()?, c.local_addr()?);

    tokio::spawn(serve(c, Router::new().route("/", get(handle_c))));
    tokio::spawn(serve(
        b,
        Router::new().route("/", get(handle_b)).with_state(Remote(to_c)),
    ));
    tokio::spawn(serve(
        a,
        Router::new().route("/", get(handle_a)).with_state(Remote(to_b)),
    ));

    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {}", to_a);
    print!("{}", Remote(to_a).fetch().await);
    ctrl_c.recv().await;
    Ok(())
}

async fn serve(listener: TcpListener, service: Router) -> std::io::Result<()> {
    axum::serve(listener, service.layer(campanile::inbound::stack())).await
}

async fn handle_a(State(b): State<Remote>) -> String {
    // A spawned task is not part of the request, unless it is made so.
    let spawned = tokio::spawn(async move { b.fetch().await }.in_current_request());
    // Futures of the same task are part of the request.
    let (first, second, third) = tokio::join!(b.fetch(), b.fetch(), b.fetch());
    let fourth = spawned.await.unwrap_or_else(|error| error.to_string());
    tree("a", &[first, second, third, fourth])
}

async fn handle_b(State(c): State<Remote>) -> String {
    tree("b", &[c.fetch().await])
}

async fn handle_c() -> String {
    tree("c", &[])
}

impl Remote {
    /// Returns the response of the service, or the error.
    async fn fetch(self) -> String {
        self.call()
            .await
            .unwrap_or_else(|error| format!("call failed: {error}\n"))
    }

    async fn call(self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let request = Request::get(format!("http://{}/", self.0)).body(Body::empty())?;
        let response = outbound::shared().oneshot(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

/// Formats the ID of a request and, below it, the responses of its calls.
fn tree(service: &str, responses: &[String]) -> String {
    let id = RequestContext::current().map(|request| request.id().to_string());
    let mut text = format!("{service}  {}\n", id.unwrap_or_default());
    for (index, response) in responses.iter().enumerate() {
        let last = index + 1 == responses.len();
        let (mut branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        for line in response.lines() {
            text.push_str(branch);
            text.push_str(line);
            text.push('\n');
            branch = below;
        }
    }
    text
}
