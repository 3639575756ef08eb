//! A gRPC server with campanile's layers, a connection limit, and metrics on a separate port.
//!
//! ```text
//! cargo run -p tonic-echo --bin server -- --listen 127.0.0.1:50051 --admin 127.0.0.1:6060
//! cargo run -p tonic-echo --bin client -- --server http://127.0.0.1:50051
//! curl 127.0.0.1:6060/metrics
//! ```
#![allow(clippy::print_stdout, reason = "prints the listen addresses")]

use std::{error::Error, future::ready, net::SocketAddr};

use axum::{Router, routing::get};
use campanile::{
    RequestContext,
    listen::Connections,
    recorder::{CellRecorder, Format},
};
use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_stream::{Iter, iter, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};
use tonic_echo::protocol::{
    RepeatRequest, SayReply, SayRequest,
    echo_server::{Echo, EchoServer},
};

/// A gRPC server with campanile's layers.
#[derive(Parser)]
struct Args {
    /// Address to listen on. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of the metrics.
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let metrics = CellRecorder::new().install()?;
    let admin = TcpListener::bind(args.admin).await?;
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    println!("listening on {address}");
    println!("admin on {}", admin.local_addr()?);

    let router = Router::new().route("/metrics", get(move || ready(metrics.render(Format::Prometheus))));
    tokio::spawn(async move { axum::serve(admin, router).await });

    let connections = Connections::new(address).with_limit(10_000);
    let incoming = connections.count_incoming(TcpListenerStream::new(listener));
    Server::builder()
        .layer(campanile::inbound::stack())
        .add_service(EchoServer::new(EchoService))
        .serve_with_incoming_shutdown(incoming, async move {
            ctrl_c.recv().await;
        })
        .await?;
    Ok(())
}

struct EchoService;

#[tonic::async_trait]
impl Echo for EchoService {
    async fn say(&self, request: Request<SayRequest>) -> Result<Response<SayReply>, Status> {
        let SayRequest { text } = request.into_inner();
        if text.is_empty() {
            return Err(Status::invalid_argument("text is empty"));
        }
        Ok(Response::new(reply(text)))
    }

    type RepeatStream = Iter<std::vec::IntoIter<Result<SayReply, Status>>>;

    async fn repeat(&self, request: Request<RepeatRequest>) -> Result<Response<Self::RepeatStream>, Status> {
        let RepeatRequest { text, times } = request.into_inner();
        let replies: Vec<_> = (0..times).map(|_| Ok(reply(text.clone()))).collect();
        Ok(Response::new(iter(replies)))
    }
}

/// Returns the text with the ID of the current request.
fn reply(text: String) -> SayReply {
    let id = RequestContext::current().map(|request| request.id().to_string());
    SayReply {
        text,
        request_id: id.unwrap_or_default(),
    }
}
