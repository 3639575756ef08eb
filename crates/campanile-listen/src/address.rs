//! Where a listener listens, and who is on the other side.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use socket2::SockAddr;

use crate::ListenerLabel;

const UNIX: &str = "unix:";

/// The address of a listener: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
///
/// These are the spellings that it is parsed from and displayed as. Names are not resolved: a listener is bound to an
/// address of this machine, or to all of them by `0.0.0.0:8080` or `[::]:8080`.
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
    /// An IPv4 or IPv6 address and a port; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// The path of a unix socket. Of a listener that was taken over it is `@name` for an abstract address, which is
    /// never bound here, and empty for one without a name.
    Unix(PathBuf),
}

/// The address of an accepted connection's other side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddress {
    /// Where a TCP connection comes from, as the kernel says it: an IPv4 client of a socket that is bound to `[::]`
    /// is `::ffff:192.0.2.1`.
    Tcp(SocketAddr),
    /// The path that the client of a unix socket has bound itself to, which hardly any does; `@name` for an abstract
    /// address.
    Unix(Option<PathBuf>),
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseAddressError {
    text: String,
}

impl ListenAddress {
    /// Returns the IP address and port, if it is one of TCP.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns the path, if it is one of a unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Reads what getsockname(2) told; `None` for another family.
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

    /// Returns the IP address of a TCP client, that of an IPv4 client always as IPv4.
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

/// Spells `127.0.0.1:40000`, `unix:/path`, and `unix:` for the usual client without a name.
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "{UNIX}{}", path.display()),
            Self::Unix(None) => f.write_str(UNIX),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = match text.strip_prefix(UNIX) {
            // An abstract name has no file, and so neither owner nor mode: it can be inherited, but is not bound.
            Some(path) if path.is_empty() || path.starts_with('@') || path.contains('\0') => None,
            Some(path) => Some(Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        };
        address.ok_or_else(|| ParseAddressError {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address to listen on: expected one like 127.0.0.1:8080, [::1]:8080 or unix:/path",
            self.text
        )
    }
}

impl Error for ParseAddressError {}

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
