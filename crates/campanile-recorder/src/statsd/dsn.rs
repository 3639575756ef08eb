//! The address of a statsd daemon, as a DSN like talisker's `STATSD_DSN` or as flags of a program.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::escape;

/// The default port of statsd.
const PORT: u16 = 8125;

/// Fits into an Ethernet frame with the headers of IPv6 and UDP, and leaves space for a tunnel.
const UDP_SIZE: usize = 1432;
/// The size that Datadog's clients use for unix datagrams.
const UNIX_SIZE: usize = 8192;
const SIZES: std::ops::RangeInclusive<usize> = 512..=65_507;

/// `sockaddr_un` holds 108 bytes, including the terminating zero.
const MAX_PATH: usize = 107;

/// The address of a statsd daemon, the prefix of all names, and the size of datagrams.
///
/// | text | meaning |
/// |---|---|
/// | `udp://statsd.local:8125/shop/web` | prefix `shop.web`; the default port is 8125 |
/// | `udp://[::1]`, `udp6://localhost` | `udp6` selects an IPv6 address of the host |
/// | `unix:///run/statsd.sock?prefix=shop.web` | unix datagrams; `unixgram://` is the same |
/// | `…?maxudpsize=512` | maximum bytes per datagram, 512 to 65507; by default 1432, for unix sockets 8192 |
///
/// ```
/// use campanile_recorder::statsd::Dsn;
///
/// let dsn: Dsn = "udp://statsd.local/shop/web?maxudpsize=512".parse()?;
/// assert_eq!((dsn.prefix(), dsn.max_size()), ("shop.web", 512));
///
/// let error = "tcp://statsd.local".parse::<Dsn>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid statsd DSN `tcp://statsd.local`: unknown scheme `tcp`, expected udp, udp6, unix or unixgram"
/// );
/// # Ok::<(), campanile_recorder::statsd::DsnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsn {
    pub(super) address: DaemonAddress,
    prefix: String,
    max_size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DaemonAddress {
    Udp { host: String, port: u16, only_v6: bool },
    Unix(PathBuf),
}

impl Dsn {
    /// Creates a DSN from `HOST:PORT` and a prefix. The port is optional.
    ///
    /// # Errors
    ///
    /// If host, port or prefix is invalid.
    pub fn udp(address: &str, prefix: &str) -> Result<Self, DsnError> {
        parse_udp(address, false)
            .and_then(|address| Self::new(address, prefix, UDP_SIZE))
            .map_err(|reason| DsnError::new(address, reason))
    }

    /// Creates a DSN from the path of a unix datagram socket, which need not exist yet, and a prefix.
    ///
    /// # Errors
    ///
    /// If path or prefix is invalid.
    pub fn unix(path: impl AsRef<Path>, prefix: &str) -> Result<Self, DsnError> {
        let path = path.as_ref();
        check_path(path)
            .and_then(|()| Self::new(DaemonAddress::Unix(path.to_owned()), prefix, UNIX_SIZE))
            .map_err(|reason| DsnError::new(&path.to_string_lossy(), reason))
    }

    /// Sets the maximum number of bytes per datagram.
    ///
    /// # Errors
    ///
    /// If it is not within 512 and 65507, the maximum of UDP.
    pub fn with_max_size(mut self, bytes: usize) -> Result<Self, DsnError> {
        if !SIZES.contains(&bytes) {
            let reason = format!("invalid datagram size {bytes}, expected 512 to 65507");
            return Err(DsnError::new(&self.to_string(), reason));
        }
        self.max_size = bytes;
        Ok(self)
    }

    /// Returns the prefix of all names, without the dot after it; empty if there is none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the maximum number of bytes per datagram.
    pub fn max_size(&self) -> usize {
        self.max_size
    }

    fn new(address: DaemonAddress, prefix: &str, max_size: usize) -> Result<Self, String> {
        Ok(Self {
            address,
            prefix: parse_prefix(prefix)?,
            max_size,
        })
    }
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        parse(text).map_err(|reason| DsnError::new(text, reason))
    }
}

impl fmt::Display for Dsn {
    /// Writes the address, without prefix and size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            DaemonAddress::Udp { host, port, only_v6 } => {
                let scheme = if *only_v6 { "udp6" } else { "udp" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")
            }
            DaemonAddress::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// An error of parsing a DSN.
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
        write!(f, "invalid statsd DSN `{}`: {}", self.text, self.reason)
    }
}

impl std::error::Error for DsnError {}

fn parse(text: &str) -> Result<Dsn, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("missing scheme, expected for example `udp://HOST:PORT/PREFIX`")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut dsn = match scheme {
        "udp" | "udp6" => {
            let (address, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            Dsn::new(parse_udp(address, scheme == "udp6")?, prefix, UDP_SIZE)?
        }
        "unix" | "unixgram" => {
            check_path(Path::new(rest))?;
            Dsn::new(DaemonAddress::Unix(rest.into()), "", UNIX_SIZE)?
        }
        _ => {
            return Err(format!(
                "unknown scheme `{scheme}`, expected udp, udp6, unix or unixgram"
            ));
        }
    };
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, &dsn.address) {
            ("maxudpsize", _) => dsn.max_size = parse_size(value)?,
            ("prefix", DaemonAddress::Unix(_)) => dsn.prefix = parse_prefix(value)?,
            ("prefix", DaemonAddress::Udp { .. }) => {
                return Err("the prefix belongs in the path, as in `udp://HOST:PORT/PREFIX`".to_owned());
            }
            _ => {
                return Err(format!("unknown option `{name}`, expected maxudpsize or prefix"));
            }
        }
    }
    Ok(dsn)
}

fn parse_udp(text: &str, only_v6: bool) -> Result<DaemonAddress, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("missing `]` after the IPv6 address")?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| format!("invalid IPv6 address `{host}`"))?;
            match after.strip_prefix(':') {
                None if after.is_empty() => (host, None),
                None => return Err(format!("unexpected `{after}` after the host")),
                Some(port) => (host, Some(port)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("missing host".to_owned());
    }
    if let Some(invalid) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_' | ':'))
    {
        return Err(format!("invalid character {invalid:?} in host `{host}`"));
    }
    let port = match port {
        None => PORT,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("invalid port `{port}`, expected 1 to 65535"))?,
    };
    let host = host.to_owned();
    Ok(DaemonAddress::Udp { host, port, only_v6 })
}

fn check_path(path: &Path) -> Result<(), String> {
    let length = path.as_os_str().len();
    if !path.is_absolute() {
        Err("the path of a unix socket must be absolute, as in `unix:///run/statsd.sock`".to_owned())
    } else if length > MAX_PATH {
        Err(format!(
            "the path has {length} bytes, a unix socket allows {MAX_PATH}"
        ))
    } else {
        Ok(())
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    if let Some(invalid) = text.chars().find(|c| escape::breaks(*c, "")) {
        return Err(format!("invalid character {invalid:?} in prefix `{text}`"));
    }
    let parts: Vec<_> = text.split(['/', '.']).filter(|part| !part.is_empty()).collect();
    Ok(parts.join("."))
}

fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| SIZES.contains(size));
    size.ok_or_else(|| format!("invalid maxudpsize `{text}`, expected 512 to 65507"))
}
