//! TLS by rustls: certificates that are loaded anew without a restart, and handshakes that hold up nobody.

mod config;
mod handshake;
mod reload;

pub use self::config::{Tls, TlsError};
pub(crate) use self::handshake::Terminator;
pub(crate) use self::reload::Reload;
