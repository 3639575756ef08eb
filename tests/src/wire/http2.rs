//! HTTP/2 by prior knowledge, by hyper's client.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    runtime,
    task::JoinHandle,
    time,
};

use super::{Answer, Ask};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

pub(super) fn ask(ask: &Ask, address: &str) -> Answer {
    block_on(&format!("{ask:?}"), async {
        let (mut sender, connection) = sender(address).await;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("http://test{}", ask.path))
            .body(Full::new(Bytes::from(ask.body.clone())))
            .expect("tests ask well-formed requests");
        for (name, value) in &ask.fields {
            let name: HeaderName = name.to_ascii_lowercase().parse().expect("a name of a header");
            let value = HeaderValue::from_bytes(value).expect("no control bytes: those need `reaction_to`");
            request.headers_mut().append(name, value);
        }
        let response = sender
            .send_request(request)
            .await
            .unwrap_or_else(|error| panic!("no answer to {ask:?}: {error:?}"));
        let (head, body) = response.into_parts();
        let fields = head.headers.iter();
        let fields = fields
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        let body = body
            .collect()
            .await
            .unwrap_or_else(|error| panic!("half an answer to {ask:?}: {error:?}"));
        // Takes its leave, so that the server does not see a broken connection.
        drop(sender);
        let _ = connection.await;
        Answer {
            status: head.status.as_u16(),
            fields,
            body: body.to_bytes().to_vec(),
        }
    })
}

/// A WebSocket over HTTP/2, and what came of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct WebSocketOverHttp2 {
    /// The status of the answer to the extended `CONNECT`.
    pub status: u16,
    /// The header in which the id came back.
    pub id: Option<String>,
    /// What the other end sent first.
    pub received: Vec<u8>,
}

impl WebSocketOverHttp2 {
    /// Opens a WebSocket, sends `frame` and reads as many bytes as `length`.
    ///
    /// # Panics
    ///
    /// If the peer does not go along, within half a minute.
    #[must_use]
    pub fn talk(address: &str, path: &str, frame: &[u8], length: usize) -> Self {
        block_on(path, async {
            let (mut sender, _connection) = sender(address).await;
            let request = Request::builder()
                .method(Method::CONNECT)
                .uri(format!("http://test{path}"))
                .extension(hyper::ext::Protocol::from_static("websocket"))
                .header("sec-websocket-version", "13")
                .body(Full::<Bytes>::default())
                .expect("a well-formed request");
            let response = sender.send_request(request).await.expect("an answer to CONNECT");
            let status = response.status().as_u16();
            let id = response.headers().get("x-request-id");
            let id = id.map(|id| id.to_str().expect("an id is ASCII").to_owned());
            let stream = hyper::upgrade::on(response)
                .await
                .expect("the stream is a tunnel");
            let mut stream = TokioIo::new(stream);
            stream.write_all(frame).await.expect("the tunnel takes bytes");
            let mut received = vec![0; length];
            stream
                .read_exact(&mut received)
                .await
                .expect("the tunnel brings bytes");
            Self { status, id, received }
        })
    }
}

async fn sender(address: &str) -> (http2::SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let io: Box<dyn Io> = match address.strip_prefix("unix:") {
        Some(path) => Box::new(UnixStream::connect(path).await.expect("somebody listens")),
        None => Box::new(TcpStream::connect(address).await.expect("somebody listens")),
    };
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(io))
        .await
        .expect("the peer speaks HTTP/2");
    (sender, tokio::spawn(connection))
}

fn block_on<T>(what: &str, work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread");
    let done = runtime.block_on(async { time::timeout(PATIENCE, work).await });
    done.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}
