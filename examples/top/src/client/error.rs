//! The error of the client.

use std::{error::Error, fmt, io};

/// An error of the connection to an admin port.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection failed.
    Connect(io::Error),
    /// An HTTP error, or a connection that was closed early.
    Http(hyper::Error),
    /// A response with another status than 200, and the first line of its body.
    Status(http::StatusCode, String),
    /// A response with an unexpected content type.
    ContentType(String),
    /// Invalid JSON in a response or event.
    Json(serde_json::Error),
    /// A response or event beyond the size limit.
    TooLong,
    /// No data for ten seconds.
    TimedOut,
    /// The event stream ended.
    Ended,
    /// A token that is not a valid header value.
    Token,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Http(error) => write!(f, "HTTP error: {error}"),
            Self::Status(status, text) if text.is_empty() => write!(f, "response status {status}"),
            Self::Status(status, text) => write!(f, "response status {status}: {text}"),
            Self::ContentType(found) => write!(f, "not a campanile admin port: content type {found}"),
            Self::Json(error) => write!(f, "not a campanile admin port: {error}"),
            Self::TooLong => f.write_str("not a campanile admin port: response too long"),
            Self::TimedOut => f.write_str("no data for ten seconds"),
            Self::Ended => f.write_str("the event stream ended"),
            Self::Token => f.write_str("the token has control characters"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}
