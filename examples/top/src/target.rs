//! Where an admin port is.

use std::{fmt, path::PathBuf, str::FromStr};

/// An admin port's address: `127.0.0.1:6060`, `http://host:port/path`, `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Over TCP.
    Tcp {
        /// `host:port`.
        authority: String,
        /// What the port's paths stand under, without a slash at the end: empty but for ports that are mounted in a service.
        prefix: String,
    },
    /// Over a unix socket.
    Unix(PathBuf),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(TargetError)
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let uri = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(TargetError),
            None => text,
        };
        let (authority, prefix) = uri.find('/').map_or((uri, ""), |slash| uri.split_at(slash));
        let authority: http::uri::Authority = authority.parse().map_err(|_| TargetError)?;
        let prefix = prefix.trim_end_matches('/');
        let usable = !authority.host().is_empty() && !authority.as_str().contains('@');
        let plain = prefix
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
        // A port is not left out by whoever means an admin port; only a URL has one of its own.
        let authority = match authority.port_u16() {
            Some(_) => authority.to_string(),
            None if text.starts_with("http://") && authority.port().is_none() => format!("{authority}:80"),
            None => return Err(TargetError),
        };
        if usable && plain {
            Ok(Self::Tcp {
                authority,
                prefix: prefix.to_owned(),
            })
        } else {
            Err(TargetError)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { authority, prefix } => write!(f, "{authority}{prefix}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What was given is no address of an admin port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetError;

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither HOST:PORT, unix:PATH nor http://HOST:PORT")
    }
}

impl std::error::Error for TargetError {}
