//! A gRPC server with campanile's layers, a limit on its connections and metrics on a port of their own.
//!
//! ```text
//! cargo run -p tonic-echo --bin server -- --listen 127.0.0.1:50051 --admin 127.0.0.1:6060
//! cargo run -p tonic-echo --bin client -- --server http://127.0.0.1:50051
//! curl 127.0.0.1:6060/metrics
//! ```
#![allow(clippy::print_stdout, reason = "a program says where it listens")]

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

/// A measured gRPC server.
#[derive(Parser)]
struct Args {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The address of the metrics.
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
        .add_service(EchoServer::new(Parrot))
        .serve_with_incoming_shutdown(incoming, async move {
            ctrl_c.recv().await;
        })
        .await?;
    Ok(())
}

struct Parrot;

#[tonic::async_trait]
impl Echo for Parrot {
    async fn say(&self, request: Request<SayRequest>) -> Result<Response<SayReply>, Status> {
        let SayRequest { text } = request.into_inner();
        if text.is_empty() {
            return Err(Status::invalid_argument("nothing to say"));
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

/// Says it, under the id of the call being served.
fn reply(text: String) -> SayReply {
    let id = RequestContext::current().map(|request| request.id().to_string());
    SayReply {
        text,
        request_id: id.unwrap_or_default(),
    }
}
