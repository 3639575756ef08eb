//! A tonic service without generated code, and its client.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use campanile_tests::recorder::TestRecorder;
use futures_util::{StreamExt, stream, stream::BoxStream};
use http::{HeaderValue, Request, Response, uri::PathAndQuery};
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tonic::{
    Code, Status, Streaming,
    body::Body,
    client::{Grpc, GrpcService},
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tower::{BoxError, Service, service_fn, util::BoxCloneService};

/// A codec whose messages are bytes.
#[derive(Default)]
pub(super) struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(len)))
    }
}

type Messages = BoxStream<'static, Result<Bytes, Status>>;

/// One message, and no end.
fn endless() -> Messages {
    stream::iter([Ok(Bytes::from_static(b"first"))])
        .chain(stream::pending())
        .boxed()
}

/// The service: each kind of call, ended by nothing but its deadline.
pub(super) async fn serve_call(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut grpc = tonic::server::Grpc::new(BytesCodec);
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/pkg.Slow/ServerStream" => {
            let call = service_fn(async |_: tonic::Request<Bytes>| Ok(tonic::Response::new(endless())));
            grpc.server_streaming(call, request).await
        }
        "/pkg.Slow/Flood" => {
            let call = service_fn(async |_: tonic::Request<Bytes>| {
                let messages = stream::repeat_with(|| Ok(Bytes::from_static(&[7; 1000])));
                Ok(tonic::Response::new(messages.boxed()))
            });
            grpc.server_streaming(call, request).await
        }
        "/pkg.Slow/ClientStream" => {
            let call = service_fn(async |request: tonic::Request<Streaming<Bytes>>| {
                let read = request.into_inner().count().await;
                Ok(tonic::Response::new(Bytes::from(read.to_string())))
            });
            grpc.client_streaming(call, request).await
        }
        "/pkg.Slow/Bidi" => {
            let call = service_fn(async |request: tonic::Request<Streaming<Bytes>>| {
                Ok(tonic::Response::new(request.into_inner().boxed()))
            });
            grpc.streaming(call, request).await
        }
        // The head at once, and never a message.
        "/pkg.Slow/Unary" => {
            let body = StreamBody::new(stream::pending::<Result<http_body::Frame<Bytes>, Status>>());
            let mut response = Response::new(Body::new(body));
            let kind = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert("content-type", kind);
            response
        }
        "/pkg.Slow/Quick" => {
            let call = service_fn(async |request: tonic::Request<Bytes>| {
                Ok(tonic::Response::new(request.into_inner()))
            });
            grpc.unary(call, request).await
        }
        _ => Status::unimplemented("").into_http(),
    })
}

pub(super) type BoxedService = BoxCloneService<Request<Body>, Response<Body>, BoxError>;

/// Serves over HTTP/2, as tonic does: the service sees tonic's own body.
pub(super) async fn start(service: BoxedService) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = tower::ServiceExt::map_request(service.clone(), |request: Request<Incoming>| {
                request.map(Body::new)
            });
            let http = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
        }
    });
    address
}

/// Makes one call with tonic's client, and reads its messages to the end. Returns the status and the number of messages.
pub(super) async fn call<S>(client: S, path: &'static str, time: Option<Time>) -> (Code, usize)
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut client = Grpc::new(client);
    if client.ready().await.is_err() {
        return (Code::Unavailable, 0);
    }
    let uri = PathAndQuery::from_static(path);
    let messages = match path.rsplit('/').next() {
        Some("ClientStream" | "Bidi") => endless().map(|message| message.unwrap()).boxed(),
        _ => stream::iter([Bytes::from_static(b"first")]).boxed(),
    };
    let mut request = tonic::Request::new(messages);
    match time {
        Some(Time::GrpcTimeout(time)) => request.set_timeout(time),
        Some(Time::Header(time)) => {
            let at = campanile_core::Deadline::after(time).to_header();
            let at = at.to_str().unwrap().parse().unwrap();
            request.metadata_mut().insert("x-request-deadline", at);
        }
        Some(Time::Call(time)) => {
            request
                .extensions_mut()
                .insert(campanile_outbound::CallDeadline::after(time));
        }
        None => {}
    }
    let mut messages = match client.streaming(request, uri, BytesCodec).await {
        Ok(response) => response.into_inner(),
        Err(status) => return (status.code(), 0),
    };
    let mut count = 0;
    loop {
        match messages.message().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (Code::Ok, count),
            Err(status) => return (status.code(), count),
        }
    }
}

/// How a call gets its deadline.
#[derive(Debug, Clone, Copy)]
pub(super) enum Time {
    /// By `grpc-timeout`, which tonic's channel applies to the head itself.
    GrpcTimeout(Duration),
    /// By `X-Request-Deadline`, of which tonic knows nothing.
    Header(Duration),
    /// By the extension that the client layer reads.
    Call(Duration),
}

/// Puts the client layers around a channel.
pub(super) fn client_layers(recorder: &'static TestRecorder) -> campanile_outbound::Stack {
    let metrics = campanile_outbound::MetricsLayer::new()
        .with_recorder(recorder)
        .with_default_host("peer");
    campanile_outbound::stack().with_metrics(metrics)
}

/// Puts the server layers around the service.
pub(super) fn server_layers(recorder: &'static TestRecorder) -> campanile_inbound::Stack {
    campanile_inbound::stack()
        .with_metrics(campanile_inbound::MetricsLayer::new().with_recorder(recorder))
        .with_deadline(campanile_inbound::DeadlineLayer::new().with_recorder(recorder))
}

/// Boxes a service.
pub(super) fn boxed<S, B>(service: S) -> BoxedService
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = tower::ServiceExt::map_response(service, |response: Response<B>| {
        response.map(|body| Body::new(body.boxed_unsync()))
    });
    BoxCloneService::new(tower::ServiceExt::map_err(service, Into::into))
}
