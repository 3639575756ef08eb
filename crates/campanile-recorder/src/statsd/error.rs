//! What can be wrong with a daemon's address.

use std::{fmt, io};

/// A DSN that cannot be read. Its message names the text and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DsnError {
    text: String,
    reason: String,
}

impl DsnError {
    pub(super) fn new(text: &str, reason: String) -> Self {
        Self {
            text: text.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for DsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statsd DSN `{}`: {}", self.text, self.reason)
    }
}

impl std::error::Error for DsnError {}

/// The socket to a daemon could not be opened, mostly since the host has no address.
#[derive(Debug)]
pub struct OpenError {
    pub(super) target: String,
    pub(super) source: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no socket to the statsd daemon at {}", self.target)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
