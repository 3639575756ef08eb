//! Why a server could not begin.

use std::error::Error;
use std::{fmt, io};

use campanile_lifecycle::InvalidConfig;
use campanile_listen::{BindError, ParseAddressError};

/// Why a server could not begin to serve. Nothing was accepted; what was bound is closed again.
#[derive(Debug)]
pub struct ServeError {
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    NoListener,
    Address(ParseAddressError),
    Bind(BindError),
    Settings(InvalidConfig),
    Signals(io::Error),
    #[cfg(feature = "admin")]
    Admin(io::Error),
}

impl ServeError {
    /// Returns the address that could not be bound, as it is spelt in labels, if that is what failed.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        match &self.kind {
            Kind::Bind(error) => Some(error.address().to_string()),
            _ => None,
        }
    }

    fn inner(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::NoListener => None,
            Kind::Address(error) => Some(error),
            Kind::Bind(error) => Some(error),
            Kind::Settings(error) => Some(error),
            Kind::Signals(error) => Some(error),
            #[cfg(feature = "admin")]
            Kind::Admin(error) => Some(error),
        }
    }
}

impl From<Kind> for ServeError {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::NoListener => "there is nothing to listen on: name an address or give a listener",
            Kind::Address(_) => "an address cannot be read",
            Kind::Bind(_) => "a listener cannot be bound",
            Kind::Settings(_) => "the times of the stop cannot be kept",
            Kind::Signals(_) => "signals cannot be caught",
            #[cfg(feature = "admin")]
            Kind::Admin(_) => "the admin port cannot be opened",
        })
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner()
    }
}
