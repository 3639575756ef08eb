//! Why there is nothing to show.

use std::{error::Error, fmt, io};

/// Why a port told nothing, or tells nothing any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody could be reached.
    Connect(io::Error),
    /// What was said was no HTTP, or broke off.
    Http(hyper::Error),
    /// It answered with another status than 200, and this text.
    Status(http::StatusCode, String),
    /// It answered with something else than was asked for.
    Foreign(String),
    /// An event or an answer is not what campanile-admin writes.
    Unreadable(serde_json::Error),
    /// An event or an answer is longer than any.
    TooLong,
    /// Nothing came for ten seconds.
    Silent,
    /// The stream ended.
    Ended,
    /// A token that no header can carry.
    Token,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "does not answer: {error}"),
            Self::Http(error) => write!(f, "speaks no HTTP: {error}"),
            Self::Status(status, text) if text.is_empty() => write!(f, "answers {status}"),
            Self::Status(status, text) => write!(f, "answers {status}: {text}"),
            Self::Foreign(kind) => write!(f, "is no admin port of campanile: it answers with {kind}"),
            Self::Unreadable(error) => write!(f, "is no admin port of campanile: {error}"),
            Self::TooLong => f.write_str("is no admin port of campanile: it writes without end"),
            Self::Silent => f.write_str("is silent for ten seconds"),
            Self::Ended => f.write_str("has ended the stream"),
            Self::Token => f.write_str("cannot be told a token with control characters"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
