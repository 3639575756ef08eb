//! One request, one connection.

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

use super::{Failure, Live};
use crate::{Target, model::Requests};

/// A healthy port is faster: it waits for nobody.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// So many requests are asked for with a filter, as the live page does.
const ROWS: usize = 200;
/// No table of so many rows is longer.
const LONGEST: usize = 1 << 20;
/// So much of a refusal is shown.
const REASON: usize = 200;

/// An admin port, and how to get in.
#[derive(Clone)]
pub struct Port {
    target: Target,
    authorization: Option<HeaderValue>,
}

impl Port {
    /// Describes the port at this address.
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
    /// If no header can carry it.
    pub fn with_token(mut self, token: &str) -> Result<Self, Failure> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| Failure::Token)?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Attaches to the stream of events.
    ///
    /// # Errors
    ///
    /// If nobody answers within ten seconds, or not with events.
    pub async fn attach(&self) -> Result<Live, Failure> {
        let answer = self.ask("/live", "text/event-stream").await?;
        Ok(Live::new(answer.into_body()))
    }

    /// Asks for the requests in flight whose id has this part, 200 at most.
    ///
    /// # Errors
    ///
    /// As [`Self::attach`], and where the port knows of no requests.
    pub async fn requests(&self, part: &str) -> Result<Requests, Failure> {
        let path = format!("/requests?id={}&limit={ROWS}", Escaped(part));
        let answer = self.ask(&path, "application/json").await?;
        let read = timeout(PATIENCE, Limited::new(answer.into_body(), LONGEST).collect()).await;
        let read = read
            .map_err(|_| Failure::Silent)?
            .map_err(|error| match error.downcast() {
                Ok(error) => Failure::Http(*error),
                Err(_) => Failure::TooLong,
            })?;
        serde_json::from_slice(&read.to_bytes()).map_err(Failure::Unreadable)
    }

    async fn ask(&self, path: &str, kind: &'static str) -> Result<Response<Incoming>, Failure> {
        let answer = timeout(PATIENCE, self.send(path, kind)).await;
        let answer = answer.map_err(|_| Failure::Silent)??;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer).await);
        }
        let said = answer.headers().get(CONTENT_TYPE);
        let said = said
            .and_then(|said| said.to_str().ok())
            .unwrap_or("nothing known");
        if said.starts_with(kind) {
            Ok(answer)
        } else {
            Err(Failure::Foreign(said.to_owned()))
        }
    }

    async fn send(&self, path: &str, kind: &'static str) -> Result<Response<Incoming>, Failure> {
        let (host, prefix) = match &self.target {
            Target::Tcp { authority, prefix } => (authority.as_str(), prefix.as_str()),
            Target::Unix(_) => ("localhost", ""),
        };
        let mut request = Request::get(format!("{prefix}{path}"))
            .header(HOST, host)
            .header(ACCEPT, kind);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| Failure::Connect(io::Error::other(error)))?;
        match &self.target {
            Target::Tcp { authority, .. } => {
                exchange(
                    TcpStream::connect(authority).await.map_err(Failure::Connect)?,
                    request,
                )
                .await
            }
            Target::Unix(path) => {
                exchange(
                    UnixStream::connect(path).await.map_err(Failure::Connect)?,
                    request,
                )
                .await
            }
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::Http)?;
    // It ends with the answer's body, however that ends.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(Failure::Http)
}

async fn refusal(answer: Response<Incoming>) -> Failure {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST).collect();
    let text = timeout(PATIENCE, body).await.ok().and_then(Result::ok);
    let text = text.map(|text| text.to_bytes()).unwrap_or_default();
    let line = String::from_utf8_lossy(&text);
    let line = line.lines().next().unwrap_or_default().chars();
    Failure::Status(status, line.filter(|c| !c.is_control()).take(REASON).collect())
}

/// A part of an id, as a query carries it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}
