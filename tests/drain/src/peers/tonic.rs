//! tonic's own server with a shutdown signal: a unary call over HTTP/2, and HTTP/1 on the same port.
//!
//! The service is equivalent to the generated code of `service Echo { rpc Echo(Empty) returns (Empty); }` in the package
//! `drain`, without a build script.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use http::Request;
use tonic::{
    Response, Status,
    body::Body,
    codegen::BoxFuture,
    server::{Grpc, NamedService, UnaryService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::peers::service::{handle, listen, router, terminated};

pub(super) async fn serve(address: SocketAddr) -> io::Result<()> {
    let incoming = TcpIncoming::from(listen(address)?).with_nodelay(Some(true));
    Server::builder()
        .accept_http1(true)
        .add_routes(Routes::from(router()).add_service(Echo))
        .serve_with_incoming_shutdown(incoming, terminated())
        .await
        .map_err(io::Error::other)
}

#[derive(Debug, Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "drain.Echo";
}

impl UnaryService<()> for Echo {
    type Response = ();
    type Future = BoxFuture<Response<()>, Status>;

    fn call(&mut self, _: tonic::Request<()>) -> Self::Future {
        Box::pin(async {
            handle().await;
            Ok(Response::new(()))
        })
    }
}

impl Service<Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async {
            let mut grpc = Grpc::new(ProstCodec::<(), ()>::default());
            Ok(grpc.unary(Self, request).await)
        })
    }
}
