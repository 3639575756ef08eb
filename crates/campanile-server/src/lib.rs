#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!(
    "campanile-server needs Unix: its listeners, signals and graceful shutdown are those of Linux, macOS and the BSDs"
);

#[cfg(unix)]
mod abort_log;
#[cfg(unix)]
mod accept;
#[cfg(all(unix, feature = "admin"))]
mod admin;
#[cfg(unix)]
mod backlog;
#[cfg(unix)]
mod bind_target;
#[cfg(unix)]
mod bound_server;
#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod connection_limit;
#[cfg(unix)]
mod error;
#[cfg(unix)]
mod eviction;
#[cfg(unix)]
mod hangup;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod listener_context;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod metrics;
#[cfg(unix)]
mod rejection;
#[cfg(unix)]
mod runtime;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod service;
#[cfg(unix)]
mod timeouts;
#[cfg(all(unix, feature = "tls"))]
mod tls;

#[cfg(all(unix, feature = "admin"))]
pub use self::admin::admin_of;
#[cfg(unix)]
pub use self::bound_server::BoundServer;
#[cfg(all(unix, fuzzing))]
#[doc(hidden)]
pub use self::connection::check_upload;
#[cfg(unix)]
pub use self::connection::{Connection, ConnectionDraining};
#[cfg(unix)]
pub use self::error::ServeError;
#[cfg(unix)]
pub use self::metrics::METRICS;
#[cfg(unix)]
pub use self::runtime::ServerRuntime;
#[cfg(unix)]
pub use self::server::Server;
#[cfg(all(unix, feature = "tls"))]
pub use self::tls::{Tls, TlsError};
