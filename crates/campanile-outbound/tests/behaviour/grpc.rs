//! gRPC over real sockets: a hyper server, with a tonic channel and with hyper-util's HTTP/2 client.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::support::{TestRecorder, within};
use bytes::{Buf, BufMut, Bytes};
use campanile_outbound::{CallDeadline, MetricsLayer, stack};
use http::{HeaderMap, HeaderValue, Request, Response, uri::PathAndQuery};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tonic::{
    Code, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};
use tower::{Layer, ServiceExt};

/// A body of frames, which then ends or hangs.
struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    hangs: bool,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if self.hangs => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && !self.hangs
    }
}

fn status(code: u8) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(u16::from(code)))])
}

async fn respond(request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    let data = || Frame::data(Bytes::from_static(&[0, 0, 0, 0, 2, b'o', b'k']));
    let (frames, hangs, status_in_head) = match request.uri().path() {
        "/pkg.Stock/Get" => (vec![data(), Frame::trailers(status(0))], false, None),
        "/pkg.Stock/Late" => (vec![data(), Frame::trailers(status(8))], false, None),
        "/pkg.Stock/Fail" => (vec![], false, Some(5)),
        "/pkg.Stock/Silent" => (vec![data()], false, None),
        "/pkg.Stock/Stall" => (vec![data()], true, None),
        "/pkg.Stock/Hang" => std::future::pending().await,
        _ => (vec![], false, Some(12)),
    };
    let mut response = Response::new(Frames {
        frames: frames.into(),
        hangs,
    });
    if let Some(code) = status_in_head {
        response.headers_mut().extend(status(code));
    }
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

async fn server() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service_fn(respond)));
        }
    });
    address
}

/// A codec whose messages are bytes.
struct BytesCodec;

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

fn layers(recorder: &'static TestRecorder) -> campanile_outbound::Stack {
    let metrics = MetricsLayer::new().with_recorder(recorder);
    stack().with_metrics(metrics.with_default_host("stock"))
}

async fn unary(
    channel: Channel,
    recorder: &'static TestRecorder,
    request: tonic::Request<Bytes>,
    path: &'static str,
) -> Code {
    let mut client = tonic::client::Grpc::new(layers(recorder).layer(channel));
    client.ready().await.unwrap();
    match within(
        path,
        client.unary(request, PathAndQuery::from_static(path), BytesCodec),
    )
    .await
    {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

fn count(method: &str, status: &str, count: usize) -> String {
    format!("rpc_client_requests_total{{rpc_method={method},rpc_response_status_code={status}}} {count}")
}

#[tokio::test]
async fn the_status_is_read_from_head_or_trailers() {
    let recorder = TestRecorder::new();
    let address = server().await;
    let channel = Endpoint::try_from(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let request = || tonic::Request::new(Bytes::from_static(b"?"));
    for (path, code) in [
        ("/pkg.Stock/Get", Code::Ok),
        ("/pkg.Stock/Late", Code::ResourceExhausted),
        ("/pkg.Stock/Fail", Code::NotFound),
        ("/pkg.Stock/Nowhere", Code::Unimplemented),
    ] {
        assert_eq!(
            unary(channel.clone(), recorder, request(), path).await,
            code,
            "{path}"
        );
    }
    unary(channel, recorder, request(), "/pkg.Stock/Silent").await;
    recorder.assert_series(&[
        "http_client_active_requests{server_address=stock} 0",
        "http_client_requests_total{server_address=stock,url_template=unknown} 5",
        "http_client_request_duration_seconds{http_request_method=POST,http_response_status_code=200,\
         server_address=stock,url_template=unknown} 5",
        &count("pkg.Stock/Get", "OK", 1),
        &count("pkg.Stock/Late", "RESOURCE_EXHAUSTED", 1),
        &count("pkg.Stock/Fail", "NOT_FOUND", 1),
        &count("other", "UNIMPLEMENTED", 1),
        &count("pkg.Stock/Silent", "UNKNOWN", 1),
    ]);
}

#[tokio::test]
async fn the_deadline_of_a_tonic_call_is_a_timeout() {
    let recorder = TestRecorder::new();
    let address = server().await;
    let channel = Endpoint::try_from(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    // The channel also applies `grpc-timeout`: with either timer, the call ends by its deadline.
    for by_tonic in [false, true] {
        let mut request = tonic::Request::new(Bytes::new());
        if by_tonic {
            request.set_timeout(Duration::from_millis(60));
        } else {
            request
                .extensions_mut()
                .insert(CallDeadline::after(Duration::from_millis(60)));
        }
        assert_eq!(
            unary(channel.clone(), recorder, request, "/pkg.Stock/Hang").await,
            Code::DeadlineExceeded
        );
    }
    recorder.assert_series(&[
        "http_client_active_requests{server_address=stock} 0",
        "http_client_requests_total{server_address=stock,url_template=unknown} 2",
        "http_client_errors_total{error_code=ETIMEDOUT,error_type=timeout,server_address=stock,url_template=unknown} 2",
        "http_client_timeouts_total{phase=deadline,server_address=stock,url_template=unknown} 2",
        &count("pkg.Stock/Hang", "DEADLINE_EXCEEDED", 2),
    ]);
}

#[tokio::test]
async fn a_call_dropped_before_its_end_is_cancelled() {
    let recorder = TestRecorder::new();
    let address = server().await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let client = layers(recorder).layer(client);
    let call = |path: &str| {
        Request::post(format!("http://{address}{path}"))
            .header("content-type", "application/grpc+proto")
            .body(Full::default())
            .unwrap()
    };
    let hangs = client.clone().oneshot(call("/pkg.Stock/Hang"));
    tokio::time::timeout(Duration::from_millis(50), hangs)
        .await
        .unwrap_err();
    let mut response = within("the head", client.clone().oneshot(call("/pkg.Stock/Stall")))
        .await
        .unwrap();
    within("a message", response.body_mut().frame())
        .await
        .unwrap()
        .unwrap();
    drop(response);
    // A call read to its end is not cancelled.
    let response = within("the head", client.oneshot(call("/pkg.Stock/Get")))
        .await
        .unwrap();
    within("the trailers", response.into_body().collect())
        .await
        .unwrap();
    recorder.assert_series(&[
        "http_client_active_requests{server_address=127.0.0.1} 0",
        "http_client_requests_total{server_address=127.0.0.1,url_template=unknown} 3",
        "http_client_errors_total{error_code=unknown,error_type=cancelled,server_address=127.0.0.1,url_template=unknown} 1",
        "http_client_request_duration_seconds{http_request_method=POST,http_response_status_code=200,\
         server_address=127.0.0.1,url_template=unknown} 2",
        &count("pkg.Stock/Hang", "CANCELLED", 1),
        &count("pkg.Stock/Stall", "CANCELLED", 1),
        &count("pkg.Stock/Get", "OK", 1),
    ]);
}

#[tokio::test]
async fn a_refused_connection_of_a_tonic_channel_is_a_connection_error() {
    let recorder = TestRecorder::new();
    let channel = Endpoint::try_from(format!("http://{}", crate::support::unused_address().await))
        .unwrap()
        .connect_lazy();
    let code = unary(
        channel,
        recorder,
        tonic::Request::new(Bytes::new()),
        "/pkg.Stock/Get",
    )
    .await;
    assert_eq!(code, Code::Unavailable);
    assert_eq!(
        recorder.sum(
            "http_client_errors_total{error_code=ECONNREFUSED,error_type=connection,server_address=stock"
        ),
        1.0,
        "{:#?}",
        recorder.lines()
    );
}
