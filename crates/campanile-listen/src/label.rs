//! The label `listener`.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use metrics::SharedString;

/// The value of the label `listener`: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
///
/// Converted from an address, or from a string for a label of your own (`…#2` for the second socket of a `SO_REUSEPORT`
/// group). Cloning copies a pointer.
///
/// ```
/// use campanile_listen::ListenerLabel;
/// use std::{net::SocketAddr, path::Path};
///
/// assert_eq!(ListenerLabel::from(SocketAddr::from(([127, 0, 0, 1], 8080))).as_str(), "127.0.0.1:8080");
/// assert_eq!(ListenerLabel::from(Path::new("/run/app.sock")).as_str(), "unix:/run/app.sock");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLabel(SharedString);

impl ListenerLabel {
    /// Returns the label value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_shared(&self) -> SharedString {
        self.0.clone()
    }
}

impl fmt::Display for ListenerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for ListenerLabel {
    fn from(text: &str) -> Self {
        Self(SharedString::from_shared(text.into()))
    }
}

impl From<String> for ListenerLabel {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<SocketAddr> for ListenerLabel {
    fn from(address: SocketAddr) -> Self {
        Self::from(address.to_string())
    }
}

/// Formats the path of a unix socket; invalid UTF-8 becomes U+FFFD.
impl From<&Path> for ListenerLabel {
    fn from(path: &Path) -> Self {
        Self::from(format!("unix:{}", path.display()))
    }
}

/// Formats a unix address: `unix:/path`, `unix:@name` for an abstract one, `unix:` for an unnamed one.
#[cfg(unix)]
impl From<tokio::net::unix::SocketAddr> for ListenerLabel {
    fn from(address: tokio::net::unix::SocketAddr) -> Self {
        Self::from(crate::PeerAddress::from(&address).to_string())
    }
}

/// Formats a unix address as the tokio conversion does.
#[cfg(unix)]
impl From<std::os::unix::net::SocketAddr> for ListenerLabel {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        Self::from(tokio::net::unix::SocketAddr::from(address))
    }
}
