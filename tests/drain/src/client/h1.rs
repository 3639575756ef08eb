//! An HTTP/1 connection: requests one after the other, and the truth about each.

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
    fate::{Fate, Loss},
    order::Orders,
};

/// How long after a FIN the RST may come that tells of a request nobody read.
const RESET_FOLLOWS: Duration = Duration::from_millis(100);

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Answers that it has had.
    answers: u64,
    /// Bytes of the next request that are sent already.
    sent: usize,
}

/// What came of a request, and whether another may follow.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// What came of it.
    pub fate: Fate,
    /// Whether the server keeps the connection open, as far as it said.
    pub keep: bool,
}

struct Answer {
    bytes: usize,
    ok: bool,
    close: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Without a connection, what came of the request that it was for.
    pub async fn open(address: SocketAddr, orders: &Orders) -> Result<Self, Fate> {
        Ok(Self {
            stream: connect(address, orders).await?,
            buffer: Vec::new(),
            answers: 0,
            sent: 0,
        })
    }

    /// Connects, and sends at once what [`ask`](Self::ask) will be given first.
    ///
    /// # Errors
    ///
    /// Without a connection, what came of the request that it was for.
    pub async fn open_and_send(address: SocketAddr, request: &[u8], orders: &Orders) -> Result<Self, Fate> {
        let (stream, sent) = connect_and_send(address, request, orders).await?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            answers: 0,
            sent,
        })
    }

    /// Asks nothing for a while; tells whether the connection is still open then.
    ///
    /// What the server closes meanwhile has cost no request.
    pub async fn rest(&self, time: Duration) -> bool {
        let ended = async {
            loop {
                if self.stream.readable().await.is_err() {
                    return;
                }
                // Readiness may be a thing of the past. A byte that nobody asked for ends the matter too.
                match self.stream.try_read(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => return,
                }
            }
        };
        tokio::time::timeout(time, ended).await.is_err()
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Exchange {
        // What became of a request that could not be written whole is told by what there is to read.
        let unsent = request.get(std::mem::take(&mut self.sent)..).unwrap_or_default();
        let written = self.stream.write_all(unsent).await;
        let lost = |loss| Exchange {
            fate: Fate::Lost(loss),
            keep: false,
        };
        loop {
            match parse(&self.buffer) {
                Ok(Some(answer)) => return self.answered(&answer),
                Ok(None) => {}
                Err(_) => return lost(Loss::OtherAnswer),
            }
            let begun = !self.buffer.is_empty();
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(_) if begun => return lost(Loss::ClosedInAnswer),
                Err(_) if begun => return lost(Loss::ResetInAnswer),
                ended => return self.unanswered(ended.is_err() || written.is_err()).await,
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Exchange {
        self.buffer.drain(..answer.bytes);
        self.answers += 1;
        Exchange {
            fate: if answer.ok {
                Fate::Answered
            } else {
                Fate::Lost(Loss::OtherAnswer)
            },
            keep: !answer.close,
        }
    }

    /// Judges an end without a byte of an answer.
    ///
    /// The kernel answers with RST what arrives after a close, or lies unread at it. So a reset after an answer says that
    /// the close crossed the request. A mere FIN says that the server has read the request, and cut it.
    async fn unanswered(&self, reset: bool) -> Exchange {
        let unread = reset || self.reset_follows().await;
        let fate = if self.answers > 0 && unread {
            Fate::IdleClose
        } else if unread {
            Fate::Lost(Loss::ResetBeforeAnswer)
        } else {
            Fate::Lost(Loss::ClosedBeforeAnswer)
        };
        Exchange { fate, keep: false }
    }

    async fn reset_follows(&self) -> bool {
        let error = async {
            loop {
                if !matches!(self.stream.take_error(), Ok(None)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(RESET_FOLLOWS, error).await.is_ok()
    }
}

/// Finds a whole answer at the beginning of what was read.
fn parse(buffer: &[u8]) -> io::Result<Option<Answer>> {
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
    // All peers know the length of an answer of two bytes.
    let body_bytes: usize = value("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| io::Error::other("an answer without its length"))?;
    let bytes = head_bytes + body_bytes;
    Ok((buffer.len() >= bytes).then(|| Answer {
        bytes,
        ok: head.code == Some(200),
        close: value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}
