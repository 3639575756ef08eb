//! A raw HTTP/2 connection by the h2 crate, whose streams can be ended at any point.

use std::{
    fmt::{self, Display},
    io::{Error, Result},
    sync::Arc,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    ext::Protocol,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::task::JoinHandle;

use super::{RequestBody, TestRequest, block_on, open_stream};

/// A connection. Clones share it; dropping the last one closes the socket.
#[derive(Clone)]
pub struct Http2 {
    requests: SendRequest<Bytes>,
    driver: Arc<Driver>,
}

struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request that was sent.
#[derive(Debug)]
pub struct SentRequest {
    /// The response.
    pub response: ResponseFuture,
    /// The request body. Dropping it does not end the stream.
    pub sending: SendStream<Bytes>,
}

impl Http2 {
    /// Connects to `127.0.0.1:PORT` or `unix:/path`.
    ///
    /// # Errors
    ///
    /// I/O errors, and a failed handshake.
    pub async fn connect(address: impl Display) -> Result<Self> {
        let stream = open_stream(address).await?;
        let (requests, connection) = h2::client::handshake(stream).await.map_err(Error::other)?;
        let driver = tokio::spawn(async move {
            // The streams report errors of the connection.
            let _ = connection.await;
        });
        Ok(Self {
            requests,
            driver: Arc::new(Driver(driver)),
        })
    }

    /// Sends a request; a `CONNECT` opens a WebSocket.
    ///
    /// # Errors
    ///
    /// Connection errors.
    ///
    /// # Panics
    ///
    /// If the request is not a valid one.
    pub async fn send(&self, request: &TestRequest) -> Result<SentRequest> {
        let mut requests = self.requests.clone().ready().await.map_err(Error::other)?;
        let mut head = Request::builder()
            .method(request.method)
            .uri(format!("http://test{}", request.path))
            .body(())
            .expect("tests send valid requests");
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid header name");
            let value = HeaderValue::from_bytes(value).expect("control bytes need `send_raw_header`");
            head.headers_mut().append(name, value);
        }
        if let RequestBody::Sized(body) = &request.body {
            head.headers_mut().insert("content-length", body.len().into());
        }
        let connect = request.method == "CONNECT";
        if connect {
            while !requests.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
            head.extensions_mut().insert(Protocol::from_static("websocket"));
        }
        let ends = request.body == RequestBody::Empty && !connect;
        let (response, mut sending) = requests.send_request(head, ends).map_err(Error::other)?;
        let body = match &request.body {
            RequestBody::Empty => None,
            RequestBody::Sized(body) => Some(Bytes::from(body.clone())),
            RequestBody::Streamed(body) => Some(Bytes::from_static(body.as_bytes())),
        };
        if let Some(body) = body {
            sending.send_data(body, true).map_err(Error::other)?;
        }
        Ok(SentRequest { response, sending })
    }

    /// Closes the connection with GOAWAY, and waits until it is closed.
    pub async fn close(self) {
        drop(self.requests);
        if let Some(mut driver) = Arc::into_inner(self.driver) {
            let _ = (&mut driver.0).await;
        }
    }

    /// Closes the socket without GOAWAY.
    pub fn abort(self) {
        self.driver.0.abort();
    }
}

/// Reads a body to its end, and its trailers.
///
/// # Errors
///
/// Errors of the stream.
pub async fn read_body(body: &mut RecvStream) -> Result<(Vec<u8>, HeaderMap)> {
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(Error::other)?;
        body.flow_control()
            .release_capacity(data.len())
            .map_err(Error::other)?;
        read.extend(data);
    }
    let trailers = body.trailers().await.map_err(Error::other)?;
    Ok((read, trailers.unwrap_or_default()))
}

/// The result of a WebSocket exchange over HTTP/2.
#[derive(Debug)]
#[non_exhaustive]
pub struct WebSocketOverHttp2 {
    /// The status of the response to the extended `CONNECT`.
    pub status: u16,
    /// The request ID on the response.
    pub id: Option<String>,
    /// The first bytes that the server sent.
    pub received: Vec<u8>,
}

impl WebSocketOverHttp2 {
    /// Opens a WebSocket, sends `frame` and reads `length` bytes.
    ///
    /// # Panics
    ///
    /// If the exchange fails, or takes longer than half a minute.
    #[must_use]
    pub fn exchange(address: &str, path: &'static str, frame: Vec<u8>, length: usize) -> Self {
        block_on(path, async {
            let connection = Http2::connect(address).await.expect("the server speaks HTTP/2");
            let request = TestRequest::new("CONNECT", path).header("sec-websocket-version", "13");
            let mut sent = connection.send(&request).await.expect("the connection is open");
            let (head, mut body) = sent.response.await.expect("a response to CONNECT").into_parts();
            let id = head.headers.get("x-request-id");
            let id = id.map(|id| id.to_str().expect("an ID is ASCII").to_owned());
            sent.sending
                .send_data(Bytes::from(frame), false)
                .expect("the tunnel is open");
            let mut received = Vec::new();
            while received.len() < length {
                let data = body.data().await.expect("the tunnel is open");
                received.extend(data.expect("the tunnel is open"));
            }
            Self {
                status: head.status.as_u16(),
                id,
                received,
            }
        })
    }
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").finish_non_exhaustive()
    }
}
