//! Where lines go: a DSN, as talisker's `STATSD_DSN` has it, or a program's flags.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{DsnError, escape};

const PORT: u16 = 8125;

/// What fits into an Ethernet frame behind the headers of IPv6 and UDP, with room for a tunnel's.
const UDP_SIZE: usize = 1432;
/// Unix datagrams meet no network; this is what Datadog's clients send.
const UNIX_SIZE: usize = 8192;
const SIZES: std::ops::RangeInclusive<usize> = 512..=65_507;

/// `sockaddr_un` holds 108 bytes with the zero at the end.
const LONGEST_PATH: usize = 107;

/// Where a statsd daemon listens, what every name begins with, and how large a datagram may be.
///
/// | text | meaning |
/// |---|---|
/// | `udp://statsd.local:8125/shop/web` | prefix `shop.web`; without a port 8125 |
/// | `udp://[::1]`, `udp6://localhost` | `udp6` asks for an IPv6 address of the host |
/// | `unix:///run/statsd.sock?prefix=shop.web` | unix datagrams; `unixgram://` is the same |
/// | `…?maxudpsize=512` | bytes of a datagram at most, 512 to 65507; otherwise 1432, for unix sockets 8192 |
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
///     "statsd DSN `tcp://statsd.local`: unknown scheme `tcp`; known are udp, udp6, unix and unixgram"
/// );
/// # Ok::<(), campanile_recorder::statsd::DsnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsn {
    pub(super) address: Address,
    prefix: String,
    max_size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Udp { host: String, port: u16, only_v6: bool },
    Unix(PathBuf),
}

impl Dsn {
    /// Makes one of `HOST:PORT` and a prefix, as flags of a command line give them. The port may be left out.
    ///
    /// # Errors
    ///
    /// If host, port or prefix cannot be.
    pub fn udp(address: &str, prefix: &str) -> Result<Self, DsnError> {
        parse_udp(address, false)
            .and_then(|address| Self::new(address, prefix, UDP_SIZE))
            .map_err(|reason| DsnError::new(address, reason))
    }

    /// Makes one of the path of a unix datagram socket, which need not be there yet, and a prefix.
    ///
    /// # Errors
    ///
    /// If path or prefix cannot be.
    pub fn unix(path: impl AsRef<Path>, prefix: &str) -> Result<Self, DsnError> {
        let path = path.as_ref();
        check_path(path)
            .and_then(|()| Self::new(Address::Unix(path.to_owned()), prefix, UNIX_SIZE))
            .map_err(|reason| DsnError::new(&path.to_string_lossy(), reason))
    }

    /// Sets the bytes that a datagram has at most.
    ///
    /// # Panics
    ///
    /// If it is not within 512 and 65507, what UDP carries.
    #[must_use]
    pub fn with_max_size(mut self, bytes: usize) -> Self {
        assert!(SIZES.contains(&bytes), "a datagram has 512 to 65507 bytes");
        self.max_size = bytes;
        self
    }

    /// Returns what every name begins with, without the dot behind it; empty if there is none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the bytes that a datagram has at most.
    pub fn max_size(&self) -> usize {
        self.max_size
    }

    fn new(address: Address, prefix: &str, max_size: usize) -> Result<Self, String> {
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
    /// Names the target, without prefix and size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Udp { host, port, only_v6 } => {
                let scheme = if *only_v6 { "udp6" } else { "udp" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")
            }
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

fn parse(text: &str) -> Result<Dsn, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("no scheme; a DSN looks like `udp://HOST:PORT/PREFIX`")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut dsn = match scheme {
        "udp" | "udp6" => {
            let (address, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            Dsn::new(parse_udp(address, scheme == "udp6")?, prefix, UDP_SIZE)?
        }
        "unix" | "unixgram" => {
            check_path(Path::new(rest))?;
            Dsn::new(Address::Unix(rest.into()), "", UNIX_SIZE)?
        }
        _ => {
            return Err(format!(
                "unknown scheme `{scheme}`; known are udp, udp6, unix and unixgram"
            ));
        }
    };
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, &dsn.address) {
            ("maxudpsize", _) => dsn.max_size = parse_size(value)?,
            ("prefix", Address::Unix(_)) => dsn.prefix = parse_prefix(value)?,
            ("prefix", Address::Udp { .. }) => {
                return Err("the prefix stands in the path, as in `udp://HOST:PORT/PREFIX`".to_owned());
            }
            _ => {
                return Err(format!(
                    "unknown option `{name}`; known are maxudpsize and prefix"
                ));
            }
        }
    }
    Ok(dsn)
}

fn parse_udp(text: &str, only_v6: bool) -> Result<Address, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest
                .split_once(']')
                .ok_or("no `]` behind the address of the host")?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| format!("`{host}` is no IPv6 address"))?;
            match behind.strip_prefix(':') {
                None if behind.is_empty() => (host, None),
                None => return Err(format!("`{behind}` behind the host is no port")),
                Some(port) => (host, Some(port)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("no host".to_owned());
    }
    if let Some(odd) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_' | ':'))
    {
        return Err(format!("{odd:?} in the host `{host}`"));
    }
    let port = match port {
        None => PORT,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("`{port}` is no port, which is a number from 1 to 65535"))?,
    };
    let host = host.to_owned();
    Ok(Address::Udp { host, port, only_v6 })
}

fn check_path(path: &Path) -> Result<(), String> {
    let length = path.as_os_str().len();
    if !path.is_absolute() {
        Err("the path of a unix socket begins with `/`, as in `unix:///run/statsd.sock`".to_owned())
    } else if length > LONGEST_PATH {
        Err(format!(
            "the path has {length} bytes, a unix socket's at most {LONGEST_PATH}"
        ))
    } else {
        Ok(())
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    if let Some(odd) = text.chars().find(|c| escape::breaks(*c, "")) {
        return Err(format!(
            "{odd:?} in the prefix `{text}`, where it would break every line"
        ));
    }
    let parts: Vec<_> = text.split(['/', '.']).filter(|part| !part.is_empty()).collect();
    Ok(parts.join("."))
}

fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| SIZES.contains(size));
    size.ok_or_else(|| format!("maxudpsize `{text}` is no number from 512 to 65507"))
}
