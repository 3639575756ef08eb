//! TLS by rustls: certificates that can be reloaded, and handshakes in the connection's own task.

mod config;
mod terminator;

pub use self::config::{Tls, TlsError};
pub(crate) use self::terminator::TlsTerminator;
