//! Why a listener could not be bound.

use std::error::Error;
use std::fmt;
use std::io;

use crate::ListenAddress;

/// A listener could not be bound.
#[derive(Debug)]
pub struct BindError {
    address: ListenAddress,
    source: io::Error,
}

impl BindError {
    pub(crate) fn new(address: ListenAddress, source: io::Error) -> Self {
        Self { address, source }
    }

    /// Returns the address that could not be bound.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Returns what kind of failure it was, as in `AddrInUse`.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.address)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
