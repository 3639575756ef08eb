//! A request that a test sends.

use std::{borrow::Cow, fmt};

use super::{Http1, Http2, TestResponse, block_on, read_body};

/// The protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];
}

/// A request.
#[derive(Clone)]
pub struct TestRequest {
    pub(super) method: &'static str,
    pub(super) path: Cow<'static, str>,
    pub(super) headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    pub(super) body: RequestBody,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// No body.
    Empty,
    /// A body with `Content-Length`.
    Sized(Vec<u8>),
    /// A body without `Content-Length`.
    Streamed(&'static str),
}

impl TestRequest {
    /// Makes a `GET` request.
    #[must_use]
    pub fn get(path: impl Into<Cow<'static, str>>) -> Self {
        Self::new("GET", path)
    }

    /// Makes a request with any method.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: RequestBody::Empty,
        }
    }

    /// Makes a gRPC call with one empty message.
    #[must_use]
    pub fn grpc(path: impl Into<Cow<'static, str>>) -> Self {
        Self::new("POST", path)
            .header("content-type", "application/grpc")
            .body("\0\0\0\0\0")
    }

    /// Replaces the method.
    #[must_use]
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Adds a header. Over HTTP/1 its bytes are sent unchecked.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Sets a body with `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = RequestBody::Sized(body.as_ref().to_vec());
        self
    }

    /// Sets a body without `Content-Length`.
    #[must_use]
    pub fn streamed_body(mut self, body: &'static str) -> Self {
        self.body = RequestBody::Streamed(body);
        self
    }

    /// Returns the method.
    #[must_use]
    pub fn method_name(&self) -> &'static str {
        self.method
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the body.
    #[must_use]
    pub fn request_body(&self) -> &RequestBody {
        &self.body
    }

    /// Sends the request over a connection of its own and reads the whole response. The address is `127.0.0.1:PORT` or
    /// `unix:/path`.
    ///
    /// # Panics
    ///
    /// Without a whole response within half a minute.
    #[must_use]
    pub fn send_over(&self, protocol: Protocol, address: &str) -> TestResponse {
        block_on(&format!("{self:?}"), async {
            match protocol {
                Protocol::Http1 => self.send_http1(address).await,
                Protocol::Http2 => self.send_http2(address).await,
            }
        })
    }

    /// Sends the request over HTTP/1.
    ///
    /// # Panics
    ///
    /// As [`Self::send_over`].
    #[must_use]
    pub fn send(&self, address: &str) -> TestResponse {
        self.send_over(Protocol::Http1, address)
    }

    async fn send_http1(&self, address: &str) -> TestResponse {
        let mut connection = Http1::connect(address)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        let request = self.clone().header("Connection", "close");
        // A server that refuses a head may close before it has read all of it.
        let _ = connection.send(&request).await;
        let head = connection
            .head()
            .await
            .unwrap_or_else(|error| panic!("no response to {self:?}: {error}"));
        let (body, _) = connection
            .body(&head, self.method)
            .await
            .unwrap_or_else(|error| panic!("an incomplete response to {self:?}: {error}"));
        TestResponse {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    async fn send_http2(&self, address: &str) -> TestResponse {
        let connection = Http2::connect(address)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        let sent = connection
            .send(self)
            .await
            .unwrap_or_else(|error| panic!("cannot send {self:?}: {error}"));
        let (head, mut stream) = sent
            .response
            .await
            .unwrap_or_else(|error| panic!("no response to {self:?}: {error:?}"))
            .into_parts();
        let (body, _) = read_body(&mut stream)
            .await
            .unwrap_or_else(|error| panic!("an incomplete response to {self:?}: {error:?}"));
        // The connection closes once no stream is referenced.
        drop((sent.sending, stream));
        connection.close().await;
        TestResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }
}

impl fmt::Debug for TestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Scrapes `/metrics` of an admin port.
///
/// # Panics
///
/// As [`TestRequest::send`].
#[must_use]
pub fn metrics_text(admin: &str) -> String {
    TestRequest::get("/metrics").send(admin).text().to_owned()
}
