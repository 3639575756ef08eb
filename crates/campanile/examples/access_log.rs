//! An access log: one line for each exchange, at its true end.
//!
//! `cargo run -p campanile --example access_log --features axum`, then `curl 127.0.0.1:3000/hello`.

#![allow(clippy::print_stdout, reason = "the lines are the example")]

use std::time::Instant;

use axum::{Router, body::HttpBody, http, routing::get};
use campanile::{
    RequestContext,
    exchange::{Begin, End, ExchangeLayer, Observe, Observer},
};
use http::{Method, Request, Response};

#[derive(Clone)]
struct AccessLog;

struct Line {
    method: Method,
    path: String,
    started: Instant,
    status: u16,
}

impl<B> Observe<B> for AccessLog {
    type Observer = Line;

    fn begin(&self, request: &mut Request<B>) -> Begin<Line> {
        Begin::Observe(Line {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            started: Instant::now(),
            status: 0,
        })
    }
}

impl Observer for Line {
    fn on_response<B: HttpBody>(&mut self, response: &mut Response<B>) {
        self.status = response.status().as_u16();
    }

    fn on_end(&mut self, end: End<'_>) {
        let id = RequestContext::current().map(|context| context.id().to_string());
        let (id, took) = (id.unwrap_or_default(), self.started.elapsed());
        let Self {
            method, path, status, ..
        } = self;
        println!(
            "{id} {method} {path} {status} {} bytes {took:?} {:?}",
            end.bytes, end.reason
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .layer(ExchangeLayer::new(AccessLog))
        .layer(campanile::inbound::stack());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
