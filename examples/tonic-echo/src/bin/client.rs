//! A gRPC client with campanile's layers around its channel: calls are recorded, and carry a request ID and a deadline.
//!
//! See `server.rs` for how to run both.
#![allow(clippy::print_stdout, reason = "prints the replies")]

use std::{error::Error, time::Duration};

use campanile::{
    outbound::{CallDeadline, CallName},
    recorder::{CellRecorder, Format},
};
use clap::Parser;
use tokio_stream::StreamExt;
use tonic::{Request, transport::Endpoint};
use tonic_echo::protocol::{RepeatRequest, SayRequest, echo_client::EchoClient};
use tower::ServiceBuilder;

/// Sends a text to the echo server.
#[derive(Parser)]
struct Args {
    /// URL of the server.
    #[arg(long)]
    server: Endpoint,
    /// Text to send.
    #[arg(default_value = "hello")]
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Args { server, text } = Args::parse();
    let metrics = CellRecorder::new().install()?;

    let channel = ServiceBuilder::new()
        .layer(campanile::outbound::stack())
        .service(server.connect().await?);
    let mut echo = EchoClient::new(channel);

    let mut request = Request::new(SayRequest { text: text.clone() });
    request.extensions_mut().insert(CallName::new("parrot", "say"));
    request
        .extensions_mut()
        .insert(CallDeadline::after(Duration::from_secs(5)));
    let reply = echo.say(request).await?.into_inner();
    println!("said {} in request {}", reply.text, reply.request_id);

    let mut replies = echo.repeat(RepeatRequest { text, times: 3 }).await?.into_inner();
    while let Some(reply) = replies.next().await {
        println!("repeated {}", reply?.text);
    }

    if let Err(status) = echo.say(SayRequest::default()).await {
        println!("rejected: {}", status.message());
    }

    for line in metrics
        .render(Format::Prometheus)
        .lines()
        .filter(|line| line.starts_with("rpc_client_requests_total"))
    {
        println!("{line}");
    }
    Ok(())
}
