//! An HTTP/1 connection that reports the exact outcome of each request.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{connect, connect_and_send},
    load_command::LoadCommands,
    request_outcome::{Loss, RequestOutcome},
};

/// How long after a FIN the RST for an unread request may arrive.
const RESET_DELAY: Duration = Duration::from_millis(100);

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The number of responses so far.
    responses: u64,
    /// The number of bytes of the next request that were sent.
    sent: usize,
}

/// The outcome of a request, and whether another one may follow.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// The outcome.
    pub outcome: RequestOutcome,
    /// Whether the server keeps the connection open.
    pub keep: bool,
}

struct Response {
    bytes: usize,
    ok: bool,
    close: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The outcome of the pending request, without a connection.
    pub async fn open(address: SocketAddr, commands: &LoadCommands) -> Result<Self, RequestOutcome> {
        Ok(Self {
            stream: connect(address, commands).await?,
            buffer: Vec::new(),
            responses: 0,
            sent: 0,
        })
    }

    /// Connects, and immediately sends the request that is passed to [`send`](Self::send) first.
    ///
    /// # Errors
    ///
    /// The outcome of the pending request, without a connection.
    pub async fn open_and_send(
        address: SocketAddr,
        request: &[u8],
        commands: &LoadCommands,
    ) -> Result<Self, RequestOutcome> {
        let (stream, sent) = connect_and_send(address, request, commands).await?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            responses: 0,
            sent,
        })
    }

    /// Waits, and returns whether the connection is still open then.
    ///
    /// A connection that the server closes while it is idle costs no request.
    pub async fn stays_open_for(&self, time: Duration) -> bool {
        let ended = async {
            loop {
                if self.stream.readable().await.is_err() {
                    return;
                }
                // Readiness may be stale. Unexpected bytes end the connection too.
                match self.stream.try_read(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => return,
                }
            }
        };
        tokio::time::timeout(time, ended).await.is_err()
    }

    /// Sends a request and reads its response.
    pub async fn send(&mut self, request: &[u8]) -> Exchange {
        // After a failed write, reading shows the outcome.
        let unsent = request.get(std::mem::take(&mut self.sent)..).unwrap_or_default();
        let written = self.stream.write_all(unsent).await;
        let lost = |loss| Exchange {
            outcome: RequestOutcome::Lost(loss),
            keep: false,
        };
        loop {
            match parse(&self.buffer) {
                Ok(Some(response)) => return self.complete(&response),
                Ok(None) => {}
                Err(_) => return lost(Loss::UnexpectedResponse),
            }
            let begun = !self.buffer.is_empty();
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(_) if begun => return lost(Loss::ClosedInResponse),
                Err(_) if begun => return lost(Loss::ResetInResponse),
                ended => return self.without_response(ended.is_err() || written.is_err()).await,
            }
        }
    }

    fn complete(&mut self, response: &Response) -> Exchange {
        self.buffer.drain(..response.bytes);
        self.responses += 1;
        Exchange {
            outcome: if response.ok {
                RequestOutcome::Completed
            } else {
                RequestOutcome::Lost(Loss::UnexpectedResponse)
            },
            keep: !response.close,
        }
    }

    /// Returns the outcome of a connection that ended without a response.
    ///
    /// The kernel sends RST for bytes that arrive after a close, or are unread at it. So a reset after an earlier response
    /// means that the close crossed the request. A FIN alone means that the server read the request and aborted it.
    async fn without_response(&self, reset: bool) -> Exchange {
        let unread = reset || self.reset_arrives().await;
        let outcome = if self.responses > 0 && unread {
            RequestOutcome::IdleClose
        } else if unread {
            RequestOutcome::Lost(Loss::ResetBeforeResponse)
        } else {
            RequestOutcome::Lost(Loss::ClosedBeforeResponse)
        };
        Exchange { outcome, keep: false }
    }

    async fn reset_arrives(&self) -> bool {
        let error = async {
            loop {
                if !matches!(self.stream.take_error(), Ok(None)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(RESET_DELAY, error).await.is_ok()
    }
}

/// Parses a whole response at the start of the buffer.
fn parse(buffer: &[u8]) -> io::Result<Option<Response>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(buffer).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let value = |name: &str| {
        let mut headers = head.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    // All peers send `Content-Length`.
    let body_bytes: usize = value("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| io::Error::other("a response without a length"))?;
    let bytes = head_bytes + body_bytes;
    Ok((buffer.len() >= bytes).then(|| Response {
        bytes,
        ok: head.code == Some(200),
        close: value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}
