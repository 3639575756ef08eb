#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accept;
mod bound;
mod connection;
mod cut;
mod error;
mod limits;
mod server;
mod service;
mod site;

pub use self::bound::Bound;
pub use self::connection::{Connection, Draining};
pub use self::error::ServeError;
pub use self::server::Server;
