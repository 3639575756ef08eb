#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accept;
#[cfg(feature = "admin")]
mod admin;
mod bound;
mod connection;
mod cut;
mod error;
mod limits;
#[cfg(feature = "tls")]
mod names;
mod place;
mod queues;
mod server;
mod service;
mod site;
mod start;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "admin")]
pub use self::admin::admin_of;
pub use self::bound::Bound;
pub use self::connection::{Connection, Draining};
pub use self::error::ServeError;
pub use self::server::Server;
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};
