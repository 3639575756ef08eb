//! How a listener is spelt in the label `listener`.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use metrics::SharedString;

/// The value of the label `listener`: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
///
/// Made from an address or, for a spelling of your own (`…#2` for the second socket of a `SO_REUSEPORT`
/// group), from a string. Cloning copies a pointer.
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
    /// Returns the label's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> SharedString {
        self.0.clone()
    }

    fn owned(text: &str) -> Self {
        Self(SharedString::from_shared(text.into()))
    }
}

impl fmt::Display for ListenerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for ListenerLabel {
    fn from(text: &str) -> Self {
        Self::owned(text)
    }
}

impl From<String> for ListenerLabel {
    fn from(text: String) -> Self {
        Self::owned(&text)
    }
}

impl From<SocketAddr> for ListenerLabel {
    fn from(address: SocketAddr) -> Self {
        Self::owned(&address.to_string())
    }
}

/// Spells the path of a unix socket; bytes that are not UTF-8 become U+FFFD.
impl From<&Path> for ListenerLabel {
    fn from(path: &Path) -> Self {
        Self::owned(&format!("unix:{}", path.display()))
    }
}

/// Spells a unix address: `unix:/path`, `unix:@name` for an abstract one, `unix:` for one without a name.
#[cfg(unix)]
impl From<tokio::net::unix::SocketAddr> for ListenerLabel {
    fn from(address: tokio::net::unix::SocketAddr) -> Self {
        if let Some(path) = address.as_pathname() {
            return Self::from(path);
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_name() {
            return Self::owned(&format!("unix:@{}", String::from_utf8_lossy(name)));
        }
        Self::owned("unix:")
    }
}

/// Spells a unix address as tokio's is spelt.
#[cfg(unix)]
impl From<std::os::unix::net::SocketAddr> for ListenerLabel {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        Self::from(tokio::net::unix::SocketAddr::from(address))
    }
}
