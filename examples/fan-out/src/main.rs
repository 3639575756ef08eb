//! One request to `a` becomes four to `b` and four to `c`; their ids tell who called whom.
//!
//! ```text
//! cargo run -p fan-out -- --listen 127.0.0.1:3000
//! curl -H 'X-Request-Id: mine' 127.0.0.1:3000
//! ```
//!
//! Every service answers with its own id and, indented below, with what it was answered. Read an id from its end: there
//! is the id of the first request, and in front of it 16 digits for each call on the way.
#![allow(clippy::print_stdout, reason = "the tree is what this program is for")]

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

/// Three services that call each other, and the tree of their ids.
#[derive(Parser)]
struct Args {
    /// The address of the first service; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// A service somewhere else.
#[derive(Clone, Copy)]
struct Remote(SocketAddr);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let c = TcpListener::bind("127.0.0.1:0").await?;
    let b = TcpListener::bind("127.0.0.1:0").await?;
    let a = TcpListener::bind(args.listen).await?;
    let (to_a, to_b, to_c) = (a.local_addr()?, b.local_addr()?, c.local_addr()?);

    tokio::spawn(serve(c, Router::new().route("/", get(answer_c))));
    tokio::spawn(serve(
        b,
        Router::new().route("/", get(answer_b)).with_state(Remote(to_c)),
    ));
    tokio::spawn(serve(
        a,
        Router::new().route("/", get(answer_a)).with_state(Remote(to_b)),
    ));

    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {}", to_a);
    print!("{}", Remote(to_a).ask().await);
    ctrl_c.recv().await;
    Ok(())
}

async fn serve(listener: TcpListener, service: Router) -> std::io::Result<()> {
    axum::serve(listener, service.layer(campanile::inbound::stack())).await
}

async fn answer_a(State(b): State<Remote>) -> String {
    // A task of its own knows nothing of this request, unless it is given it.
    let spawned = tokio::spawn(async move { b.ask().await }.in_current_request());
    // What is awaited here needs nothing, side by side or not.
    let (first, second, third) = tokio::join!(b.ask(), b.ask(), b.ask());
    let fourth = spawned.await.unwrap_or_else(|error| error.to_string());
    tree("a", &[first, second, third, fourth])
}

async fn answer_b(State(c): State<Remote>) -> String {
    tree("b", &[c.ask().await])
}

async fn answer_c() -> String {
    tree("c", &[])
}

impl Remote {
    /// Returns what the service answers, or why it does not.
    async fn ask(self) -> String {
        self.call()
            .await
            .unwrap_or_else(|error| format!("no answer: {error}\n"))
    }

    async fn call(self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let request = Request::get(format!("http://{}/", self.0)).body(Body::empty())?;
        let answer = outbound::shared().oneshot(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

/// Writes a service's own id and its answers below.
fn tree(service: &str, answers: &[String]) -> String {
    let id = RequestContext::current().map(|request| request.id().to_string());
    let mut text = format!("{service}  {}\n", id.unwrap_or_default());
    for (place, answer) in answers.iter().enumerate() {
        let last = place + 1 == answers.len();
        let (mut branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        for line in answer.lines() {
            text.push_str(branch);
            text.push_str(line);
            text.push('\n');
            branch = below;
        }
    }
    text
}
