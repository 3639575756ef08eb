//! Why a server could not start, or failed.

use std::error::Error;
use std::{fmt, io};

use campanile_lifecycle::InvalidConfig;
use campanile_listen::{BindError, ParseAddressError};

/// Why a server could not start, or failed while it served. All sockets are closed again.
#[derive(Debug)]
pub struct ServeError {
    kind: ServeErrorKind,
}

#[derive(Debug)]
pub(crate) enum ServeErrorKind {
    NoListener,
    /// The name of a setting that must not be zero.
    Zero(&'static str),
    Address(ParseAddressError),
    Bind(BindError),
    Shutdown(InvalidConfig),
    Signals(io::Error),
    Runtime(io::Error),
    /// Why the service failed while it served.
    Failed(String),
    #[cfg(feature = "admin")]
    Admin(io::Error),
}

impl ServeError {
    /// Returns the address that could not be bound, as spelled in metric labels, if binding failed.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        match &self.kind {
            ServeErrorKind::Bind(error) => error.address().map(ToString::to_string),
            _ => None,
        }
    }
}

impl From<ServeErrorKind> for ServeError {
    fn from(kind: ServeErrorKind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            ServeErrorKind::NoListener => "no listener: call `bind` or `listener` first",
            ServeErrorKind::Zero(setting) => return write!(f, "{setting} must not be zero"),
            ServeErrorKind::Address(_) => "cannot parse an address",
            ServeErrorKind::Bind(_) => "cannot bind a listener",
            ServeErrorKind::Shutdown(_) => "invalid shutdown settings",
            ServeErrorKind::Signals(_) => "cannot install signal handlers",
            ServeErrorKind::Runtime(_) => "cannot create the runtime",
            ServeErrorKind::Failed(reason) => reason,
            #[cfg(feature = "admin")]
            ServeErrorKind::Admin(_) => "cannot open the admin port",
        })
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match &self.kind {
            ServeErrorKind::NoListener | ServeErrorKind::Zero(_) | ServeErrorKind::Failed(_) => return None,
            ServeErrorKind::Address(error) => error,
            ServeErrorKind::Bind(error) => error,
            ServeErrorKind::Shutdown(error) => error,
            ServeErrorKind::Signals(error) | ServeErrorKind::Runtime(error) => error,
            #[cfg(feature = "admin")]
            ServeErrorKind::Admin(error) => error,
        })
    }
}
