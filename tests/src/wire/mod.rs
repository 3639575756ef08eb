//! Clients for tests: one request over a connection of its own, in the protocol that the test wants.

mod answer;
mod frames;
mod http1;
mod http2;

use std::fmt;

pub use self::{
    answer::Answer,
    frames::{Frame, reaction_to},
    http1::{Socket, connect, read_head},
    http2::WebSocketOverHttp2,
};

/// A protocol to ask in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, written byte by byte.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];
}

/// A request.
#[derive(Clone)]
pub struct Ask {
    method: &'static str,
    path: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Ask {
    /// Asks for a path by `GET`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// Asks for a path by any method.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header. Over HTTP/1 its bytes go out as they are.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends it to `127.0.0.1:PORT` or `unix:/path` and reads the whole answer.
    ///
    /// # Panics
    ///
    /// If there is no whole answer within half a minute.
    #[must_use]
    pub fn ask(&self, protocol: Protocol, address: &str) -> Answer {
        match protocol {
            Protocol::Http1 => http1::ask(self, address),
            Protocol::Http2 => http2::ask(self, address),
        }
    }

    /// Sends it over HTTP/1.
    ///
    /// # Panics
    ///
    /// As [`Self::ask`].
    #[must_use]
    pub fn of(&self, address: &str) -> Answer {
        self.ask(Protocol::Http1, address)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
