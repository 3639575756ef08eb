//! A hyper server with its own accept loop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use campanile_listen::Connections;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::support::{TestRecorder, recorder};

type Body = BoxBody<Bytes, Infallible>;

/// A running server. `tasks` yields the task of each connection.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Connections,
    pub(crate) metrics: &'static TestRecorder,
    pub(crate) tasks: mpsc::UnboundedReceiver<AbortHandle>,
    /// Sends the next chunk of `/stream`.
    pub(crate) chunks: mpsc::UnboundedSender<&'static str>,
}

impl Server {
    pub(crate) async fn start(limit: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = recorder();
        let mut connections = Connections::new(address).with_recorder(metrics);
        if let Some(limit) = limit {
            connections = connections.with_limit(limit);
        }
        let (task, tasks) = mpsc::unbounded_channel();
        let (chunks, receiver) = mpsc::unbounded_channel();
        tokio::spawn(accept(connections.clone(), listener, task, receiver));
        Self {
            address,
            connections,
            metrics,
            tasks,
            chunks,
        }
    }

    /// Returns the name of a series of this listener.
    pub(crate) fn series(&self, name: &str) -> String {
        format!("{name}{{listener={}}}", self.address)
    }

    pub(crate) fn closed(&self, close: &str) -> String {
        format!(
            "http_server_connections_total{{close={close},listener={}}}",
            self.address
        )
    }
}

async fn accept(
    connections: Connections,
    listener: TcpListener,
    task: mpsc::UnboundedSender<AbortHandle>,
    chunks: mpsc::UnboundedReceiver<&'static str>,
) {
    let chunks = Arc::new(Mutex::new(Some(chunks)));
    loop {
        let slot = connections.ready().await;
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(slot.wrap(stream));
        let chunks = Arc::clone(&chunks);
        let service = hyper::service::service_fn(move |request| handle(request, Arc::clone(&chunks)));
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .with_upgrades();
        let _ = task.send(tokio::spawn(served).abort_handle());
    }
}

async fn handle(
    mut request: Request<Incoming>,
    chunks: Arc<Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>>,
) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"ok")).boxed());
    let connect = request.method() == Method::CONNECT;
    if connect || request.headers().contains_key(header::UPGRADE) {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let (mut read, mut write) = tokio::io::split(&mut io);
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        *response.body_mut() = Full::default().boxed();
        if !connect {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response
                .headers_mut()
                .insert(header::UPGRADE, header::HeaderValue::from_static("echo"));
        }
    }
    match request.uri().path() {
        "/boom" => panic!("on request"),
        "/hang" => std::future::pending().await,
        "/stream" => {
            let chunks = UnboundedReceiverStream::new(chunks.lock().unwrap().take().unwrap());
            let body =
                StreamBody::new(chunks.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))));
            *response.body_mut() = BodyExt::boxed(body);
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, header::HeaderValue::from_static("40"));
        }
        _ => {}
    }
    Ok(response)
}
