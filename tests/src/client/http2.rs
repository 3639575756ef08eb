//! HTTP/2 by the h2 crate, so that streams and connections can be ended at any point.

use std::{
    fmt,
    io::{Error, Result},
    net::SocketAddr,
    sync::Arc,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    ext::Protocol,
};
use http::{HeaderMap, Request};
use tokio::{net::TcpStream, task::AbortHandle};

use super::{Ask, AskBody};

/// A connection. A clone is the same one; the last clone closes it.
#[derive(Clone)]
pub struct Http2 {
    requests: SendRequest<Bytes>,
    driver: Arc<Driver>,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request that was sent.
#[derive(Debug)]
pub struct Sent {
    /// The answer, when it comes.
    pub answer: ResponseFuture,
    /// What goes to the server; dropping it says nothing.
    pub sending: SendStream<Bytes>,
}

impl Http2 {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Those of the socket and of the handshake.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = h2::client::handshake(stream).await.map_err(Error::other)?;
        let driver = tokio::spawn(async move {
            // What breaks a connection is seen by its streams.
            let _ = connection.await;
        });
        Ok(Self {
            requests,
            driver: Arc::new(Driver(driver.abort_handle())),
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    ///
    /// # Panics
    ///
    /// For a request that is none.
    pub async fn send(&self, ask: &Ask, id: &str, token: &str) -> Result<Sent> {
        let mut requests = self.requests.clone().ready().await.map_err(Error::other)?;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("http://test{}", ask.path))
            .header("te", "trailers")
            .header("x-request-id", id)
            .header("x-token", token);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        if let AskBody::Sized(body) = ask.body {
            request = request.header("content-length", body.len());
        }
        let mut request = request.body(()).expect("rows ask for what there is");
        let connect = ask.method == "CONNECT";
        if connect {
            while !requests.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
            request
                .extensions_mut()
                .insert(Protocol::from_static("websocket"));
        }
        let ends = ask.body == AskBody::None && !connect;
        let (answer, mut sending) = requests.send_request(request, ends).map_err(Error::other)?;
        if let AskBody::Sized(body) | AskBody::Streamed(body) = ask.body {
            sending
                .send_data(Bytes::from_static(body.as_bytes()), true)
                .map_err(Error::other)?;
        }
        Ok(Sent { answer, sending })
    }

    /// Ends the connection without a word: the socket is closed.
    pub fn cut(self) {
        self.driver.0.abort();
    }
}

/// Reads a body to its end.
///
/// # Errors
///
/// Those of the stream.
pub async fn read(body: &mut RecvStream) -> Result<(Vec<u8>, HeaderMap)> {
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(Error::other)?;
        body.flow_control()
            .release_capacity(data.len())
            .map_err(Error::other)?;
        read.extend(data);
    }
    Ok((
        read,
        body.trailers().await.map_err(Error::other)?.unwrap_or_default(),
    ))
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").finish_non_exhaustive()
    }
}
