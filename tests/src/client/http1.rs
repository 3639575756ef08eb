//! A raw HTTP/1.1 connection, whose exchanges can be ended at any point.

use std::{
    fmt::Display,
    io::{Error, ErrorKind, Result},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::either::Either;

use super::{RequestBody, Stream, TestRequest, open_stream};

/// A connection.
#[derive(Debug)]
pub struct Http1 {
    stream: Stream,
    /// Bytes that were received and not parsed yet.
    buffer: Vec<u8>,
}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
}

impl Http1 {
    /// Connects to `127.0.0.1:PORT` or `unix:/path`.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub async fn connect(address: impl Display) -> Result<Self> {
        Ok(Self {
            stream: open_stream(address).await?,
            buffer: Vec::new(),
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub async fn send(&mut self, request: &TestRequest) -> Result<()> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nHost: test\r\n", request.method, request.path).into_bytes();
        for (name, value) in &request.headers {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        match &request.body {
            RequestBody::Empty => bytes.extend_from_slice(b"\r\n"),
            RequestBody::Sized(body) => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
            RequestBody::Streamed(body) => {
                let length = body.len();
                let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
                bytes.extend_from_slice(chunks.as_bytes());
            }
        }
        self.write(&bytes).await
    }

    /// Writes bytes.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Closes the sending half.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.stream.shutdown().await
    }

    /// Makes the drop of a TCP connection reset it.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub fn reset_on_drop(&self) -> Result<()> {
        match &self.stream {
            Either::Left(stream) => stream.set_zero_linger(),
            Either::Right(_) => Ok(()),
        }
    }

    /// Reads the head of a response.
    ///
    /// # Errors
    ///
    /// I/O errors, an early end of the connection, and a malformed head.
    pub async fn head(&mut self) -> Result<ResponseHead> {
        let line = self.line().await?;
        let status = line
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| str::from_utf8(rest.get(..3)?).ok()?.parse().ok())
            .ok_or_else(|| malformed(&line))?;
        let headers = self.headers().await?;
        Ok(ResponseHead { status, headers })
    }

    /// Reads the body of a response, and its trailers.
    ///
    /// # Errors
    ///
    /// I/O errors, and an early end of the body.
    pub async fn body(&mut self, head: &ResponseHead, method: &str) -> Result<(Vec<u8>, HeaderMap)> {
        if method == "HEAD" || matches!(head.status, 204 | 304) {
            return Ok(Default::default());
        }
        if head.headers.contains_key("transfer-encoding") {
            let mut body = Vec::new();
            loop {
                let line = self.line().await?;
                let len = str::from_utf8(&line)
                    .ok()
                    .and_then(|len| usize::from_str_radix(len, 16).ok());
                let len = len.ok_or_else(|| malformed(&line))?;
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
        let body = match len {
            Some(len) => self.take(len).await?,
            None if head.status < 200 => Vec::new(),
            None => self.read_to_end().await?,
        };
        Ok((body, HeaderMap::new()))
    }

    /// Reads up to the end of `text`.
    ///
    /// # Errors
    ///
    /// I/O errors, and the end of the connection before `text`.
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

    /// Reads until the server closes or resets the connection.
    ///
    /// # Errors
    ///
    /// I/O errors other than a reset.
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
            let colon = line.iter().position(|byte| *byte == b':');
            let header = colon.and_then(|colon| {
                let name = HeaderName::from_bytes(&line[..colon]).ok()?;
                Some((
                    name,
                    HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?,
                ))
            });
            let (name, value) = header.ok_or_else(|| malformed(&line))?;
            headers.append(name, value);
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer[..end].to_vec();
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

fn malformed(line: &[u8]) -> Error {
    Error::new(ErrorKind::InvalidData, line.escape_ascii().to_string())
}
