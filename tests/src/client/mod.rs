//! Clients that can misbehave.

mod http1;
mod http2;

pub use self::{
    http1::{Head, Http1},
    http2::{Http2, Sent, read},
};

/// A request to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Headers, beside those of the protocol.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: AskBody,
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskBody {
    /// None.
    None,
    /// One whose length is told.
    Sized(&'static str),
    /// One whose length is not told.
    Streamed(&'static str),
}

impl Ask {
    /// A GET.
    #[must_use]
    pub const fn get(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            headers: &[],
            body: AskBody::None,
        }
    }

    /// A gRPC call.
    #[must_use]
    pub const fn grpc(path: &'static str) -> Self {
        Self {
            method: "POST",
            path,
            headers: &[("content-type", "application/grpc")],
            body: AskBody::Sized("\0\0\0\0\0"),
        }
    }

    /// The same with another method.
    #[must_use]
    pub const fn with_method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// The same with headers.
    #[must_use]
    pub const fn with_headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    /// The same with a body.
    #[must_use]
    pub const fn with_body(mut self, body: AskBody) -> Self {
        self.body = body;
        self
    }
}
