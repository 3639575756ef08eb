//! HTTP/1.1 by hand.

use std::{
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Ask, AskBody};

/// A connection.
#[derive(Debug)]
pub struct Http1 {
    stream: TcpStream,
    /// Read, but not taken.
    buffer: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
}

impl Http1 {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn send(&mut self, ask: &Ask, id: &str, token: &str) -> Result<()> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nhost: test\r\nte: trailers\r\nx-request-id: {id}\r\nx-token: {token}\r\n",
            ask.method, ask.path
        );
        for (name, value) in ask.headers {
            text += &format!("{name}: {value}\r\n");
        }
        match ask.body {
            AskBody::None => text += "\r\n",
            AskBody::Sized(body) => text += &format!("content-length: {}\r\n\r\n{body}", body.len()),
            AskBody::Streamed(body) => {
                text += &format!(
                    "transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                    body.len()
                );
            }
        }
        self.write(text.as_bytes()).await
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Closes the half that sends.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.stream.shutdown().await
    }

    /// Sees to it that dropping resets the connection.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn reset_on_drop(&self) -> Result<()> {
        self.stream.set_zero_linger()
    }

    /// Reads the head of an answer.
    ///
    /// # Errors
    ///
    /// Those of the socket, and of an answer that ends or is no HTTP.
    pub async fn head(&mut self) -> Result<Head> {
        let line = self.line().await?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, line))?;
        let headers = self.headers().await?;
        Ok(Head { status, headers })
    }

    /// Reads the body that belongs to a head, and its trailers.
    ///
    /// # Errors
    ///
    /// Those of the socket, and of a body that ends early.
    pub async fn body(&mut self, head: &Head, method: &str) -> Result<(Vec<u8>, HeaderMap)> {
        if method == "HEAD" || matches!(head.status, 204 | 304) {
            return Ok(Default::default());
        }
        if head.headers.contains_key("transfer-encoding") {
            let mut body = Vec::new();
            loop {
                let line = self.line().await?;
                let len =
                    usize::from_str_radix(&line, 16).map_err(|_| Error::new(ErrorKind::InvalidData, line))?;
                if len == 0 {
                    return Ok((body, self.headers().await?));
                }
                body.extend(self.take(len).await?);
                self.line().await?;
            }
        }
        let len = head
            .headers
            .get("content-length")
            .and_then(|len| len.to_str().ok()?.parse().ok());
        Ok((self.take(len.unwrap_or(0)).await?, HeaderMap::new()))
    }

    /// Reads until what came ends with or holds `text`.
    ///
    /// # Errors
    ///
    /// Those of the socket, and of an end before.
    pub async fn read_to(&mut self, text: &str) -> Result<()> {
        let text = text.as_bytes();
        loop {
            if let Some(place) = self.buffer.windows(text.len()).position(|found| found == text) {
                self.buffer.drain(..place + text.len());
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// Reads until the server closes.
    ///
    /// # Errors
    ///
    /// Those of the socket other than a reset.
    pub async fn read_to_end(&mut self) -> Result<Vec<u8>> {
        loop {
            match self.fill().await {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                    ) =>
                {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn headers(&mut self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(headers);
            }
            let pair = line.split_once(':').and_then(|(name, value)| {
                Some((
                    HeaderName::try_from(name).ok()?,
                    HeaderValue::try_from(value.trim()).ok()?,
                ))
            });
            let (name, value) = pair.ok_or_else(|| Error::new(ErrorKind::InvalidData, line))?;
            headers.append(name, value);
        }
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < len {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..len).collect())
    }

    async fn fill(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
