//! Requests to an admin port, each on its own connection.

use std::{fmt, io, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{ClientError, LiveStream};
use crate::{Target, model::RequestList};

pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The most requests that are fetched with a filter, the same as on the live page.
const MAX_ROWS: usize = 200;
/// More than a table of that many rows needs.
const MAX_BODY_BYTES: usize = 1 << 20;
/// The most characters of an error response that are shown.
const MAX_REASON: usize = 200;

/// The client of an admin port.
#[derive(Clone)]
pub struct AdminClient {
    target: Target,
    authorization: Option<HeaderValue>,
}

impl AdminClient {
    /// Creates a client of the port at this address. It connects with the first request.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            authorization: None,
        }
    }

    /// Sends a token with each request.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is not a valid header value.
    pub fn with_token(mut self, token: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Opens the event stream.
    ///
    /// # Errors
    ///
    /// Returns an error without a response within ten seconds, or if the response is not an event stream.
    pub async fn connect(&self) -> Result<LiveStream, ClientError> {
        let response = self.get("/live", "text/event-stream").await?;
        Ok(LiveStream::new(response.into_body()))
    }

    /// Fetches the requests in flight whose ID contains `id_part`, 200 at most.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Self::connect`], and an error if the port does not report requests in flight.
    pub async fn requests(&self, id_part: &str) -> Result<RequestList, ClientError> {
        let id_part: String = form_urlencoded::byte_serialize(id_part.as_bytes()).collect();
        let path = format!("/requests?id={id_part}&limit={MAX_ROWS}");
        let response = self.get(&path, "application/json").await?;
        let read = timeout(
            TIMEOUT,
            Limited::new(response.into_body(), MAX_BODY_BYTES).collect(),
        )
        .await;
        let read = read
            .map_err(|_| ClientError::TimedOut)?
            .map_err(|error| match error.downcast() {
                Ok(error) => ClientError::Http(*error),
                Err(_) => ClientError::TooLong,
            })?;
        serde_json::from_slice(&read.to_bytes()).map_err(ClientError::Json)
    }

    async fn get(&self, path: &str, content_type: &'static str) -> Result<Response<Incoming>, ClientError> {
        let response = timeout(TIMEOUT, self.send(path, content_type)).await;
        let response = response.map_err(|_| ClientError::TimedOut)??;
        if response.status() != StatusCode::OK {
            return Err(status_error(response).await);
        }
        let found = response.headers().get(CONTENT_TYPE);
        let found = found.and_then(|found| found.to_str().ok()).unwrap_or("unknown");
        if found.starts_with(content_type) {
            Ok(response)
        } else {
            Err(ClientError::ContentType(found.to_owned()))
        }
    }

    async fn send(&self, path: &str, content_type: &'static str) -> Result<Response<Incoming>, ClientError> {
        let (host, prefix) = match &self.target {
            Target::Tcp { authority, prefix } => (authority.as_str(), prefix.as_str()),
            Target::Unix(_) => ("localhost", ""),
        };
        let mut request = Request::get(format!("{prefix}{path}"))
            .header(HOST, host)
            .header(ACCEPT, content_type);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| ClientError::Connect(io::Error::other(error)))?;
        match &self.target {
            Target::Tcp { authority, .. } => {
                exchange(
                    TcpStream::connect(authority)
                        .await
                        .map_err(ClientError::Connect)?,
                    request,
                )
                .await
            }
            Target::Unix(path) => {
                exchange(
                    UnixStream::connect(path).await.map_err(ClientError::Connect)?,
                    request,
                )
                .await
            }
        }
    }
}

impl fmt::Debug for AdminClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminClient")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, ClientError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ClientError::Http)?;
    // Completes when the response body is read or dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(ClientError::Http)
}

async fn status_error(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect();
    let text = timeout(TIMEOUT, body).await.ok().and_then(Result::ok);
    let text = text.map(|text| text.to_bytes()).unwrap_or_default();
    let line = String::from_utf8_lossy(&text);
    let line = line.lines().next().unwrap_or_default().chars();
    ClientError::Status(
        status,
        line.filter(|c| !c.is_control()).take(MAX_REASON).collect(),
    )
}
