//! The address of an admin port.

use std::{fmt, path::PathBuf, str::FromStr};

/// The address of an admin port: `127.0.0.1:6060`, `http://host:port/path`, `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A TCP address.
    Tcp {
        /// `host:port`.
        authority: String,
        /// The path under which the admin service is mounted, without a trailing slash. Empty for an admin port.
        prefix: String,
    },
    /// A unix socket.
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
        let valid_authority = !authority.host().is_empty() && !authority.as_str().contains('@');
        let valid_prefix = prefix
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
        // Only URLs have a default port.
        let authority = match authority.port_u16() {
            Some(_) => authority.to_string(),
            None if text.starts_with("http://") && authority.port().is_none() => format!("{authority}:80"),
            None => return Err(TargetError),
        };
        if valid_authority && valid_prefix {
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

/// The error of an invalid address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetError;

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected HOST:PORT, unix:PATH or http://HOST:PORT")
    }
}

impl std::error::Error for TargetError {}
