#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod abort_log;
mod accept;
#[cfg(feature = "admin")]
mod admin;
mod backlog;
mod bind_target;
mod bound_server;
mod connection;
mod connection_limit;
mod error;
mod eviction;
mod limits;
mod listener_context;
mod log;
mod metrics;
mod rejection;
mod server;
mod service;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "admin")]
pub use self::admin::admin_of;
pub use self::bound_server::BoundServer;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::connection::check_upload;
pub use self::connection::{Connection, ConnectionDraining};
pub use self::error::ServeError;
pub use self::metrics::METRICS;
pub use self::server::Server;
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};
