//! Addresses of listeners and of their clients.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use campanile_metrics::Escaped;
use socket2::SockAddr;

use crate::ListenerLabel;

const UNIX: &str = "unix:";

/// The address of a listener: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
///
/// It is parsed from this spelling and displayed in it. Host names are not resolved. `0.0.0.0:8080` and `[::]:8080` stand
/// for all addresses of the machine.
///
/// Text, a [`SocketAddr`] and a [`Path`] convert to it, so [`Bind::new`](crate::Bind::new) accepts them; text that cannot be
/// parsed is an error when binding.
///
/// ```
/// use campanile_listen::ListenAddress;
///
/// let address: ListenAddress = "unix:/run/app.sock".parse()?;
/// assert_eq!(address, ListenAddress::Unix("/run/app.sock".into()));
/// assert_eq!(address.to_string(), "unix:/run/app.sock");
/// # Ok::<(), campanile_listen::ParseAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddress {
    /// An IP address and a port; with port 0 the system chooses one.
    Tcp(SocketAddr),
    /// The path of a unix socket. An inherited listener may also have `@name`, an abstract address, which cannot be bound
    /// here, or an empty path, if it is unnamed.
    Unix(PathBuf),
}

/// The address of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddress {
    /// The address of a TCP client as the kernel reports it: an IPv4 client of a socket bound to `[::]` is
    /// `::ffff:192.0.2.1`.
    Tcp(SocketAddr),
    /// The path that the client of a unix socket is bound to, `@name` for an abstract address; `None` for an unnamed
    /// client, as nearly all are.
    Unix(Option<PathBuf>),
}

/// Text that is not a valid listen address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseAddressError {
    text: String,
    reason: &'static str,
}

impl ListenAddress {
    /// Returns the IP address and port of a TCP address.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns the path of a unix address.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Converts a result of getsockname(2); `None` for other address families.
    pub(crate) fn from_system(address: &SockAddr) -> Option<Self> {
        if let Some(address) = address.as_socket() {
            return Some(Self::Tcp(address));
        }
        address
            .is_unix()
            .then(|| Self::Unix(unix_name(address).unwrap_or_default()))
    }
}

impl PeerAddress {
    /// Returns the IP address and port of a TCP client.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns the IP address of a TCP client, with IPv4-mapped addresses converted to IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        Some(self.tcp()?.ip().to_canonical())
    }

    pub(crate) fn from_system(address: &SockAddr) -> Self {
        match address.as_socket() {
            Some(address) => Self::Tcp(address),
            None => Self::Unix(unix_name(address)),
        }
    }
}

fn unix_name(address: &SockAddr) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_abstract_namespace() {
        return Some(abstract_name(name));
    }
    address.as_pathname().map(Path::to_owned)
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> PathBuf {
    format!("@{}", String::from_utf8_lossy(name)).into()
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Formats `127.0.0.1:40000`, `unix:/path`, or `unix:` for an unnamed client. The client chooses its path, so what could forge
/// a log line in it is [escaped](campanile_metrics::Escaped).
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "{UNIX}{}", Escaped(path.display())),
            Self::Unix(None) => f.write_str(UNIX),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = match text.strip_prefix(UNIX) {
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| "expected 127.0.0.1:8080, [::1]:8080 or unix:/path"),
            Some("") => Err("the path is empty"),
            Some(path) if path.contains('\0') => Err("the path contains a NUL byte"),
            // Without a file there is neither an owner nor a mode.
            Some(path) if path.starts_with('@') => Err("abstract unix sockets cannot be bound"),
            Some(path) => Ok(Self::Unix(path.into())),
        };
        address.map_err(|reason| ParseAddressError {
            text: text.to_owned(),
            reason,
        })
    }
}

impl TryFrom<&str> for ListenAddress {
    type Error = ParseAddressError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ParseAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<PathBuf> for ListenAddress {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

impl From<&Path> for ListenAddress {
    fn from(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }
}

impl From<&ListenAddress> for ListenerLabel {
    fn from(address: &ListenAddress) -> Self {
        match address {
            ListenAddress::Tcp(address) => Self::from(*address),
            ListenAddress::Unix(path) => Self::from(path.as_path()),
        }
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&tokio::net::unix::SocketAddr> for PeerAddress {
    fn from(address: &tokio::net::unix::SocketAddr) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_name() {
            return Self::Unix(Some(abstract_name(name)));
        }
        Self::Unix(address.as_pathname().map(Path::to_owned))
    }
}

impl From<ListenAddress> for PeerAddress {
    fn from(address: ListenAddress) -> Self {
        match address {
            ListenAddress::Tcp(address) => Self::Tcp(address),
            ListenAddress::Unix(path) => Self::Unix(Some(path)),
        }
    }
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid listen address {:?}: {}", self.text, self.reason)
    }
}

impl Error for ParseAddressError {}

/// Lets [`Bind::new`](crate::Bind::new) accept conversions that cannot fail.
impl From<Infallible> for ParseAddressError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
