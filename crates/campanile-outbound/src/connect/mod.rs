//! Counts connections, under a client of hyper-util: around its connector, and in place of its resolver.
//!
//! ```
//! use campanile_outbound::{ConnectorLayer, Resolver};
//! use hyper_util::{
//!     client::legacy::{Client, connect::HttpConnector},
//!     rt::TokioExecutor,
//! };
//! use std::time::Duration;
//! use tower::Layer;
//!
//! let connector = ConnectorLayer::new()
//!     .with_connect_timeout(Duration::from_secs(1))
//!     .layer(HttpConnector::new_with_resolver(Resolver::new()));
//! let client: Client<_, String> = Client::builder(TokioExecutor::new()).build(connector);
//! ```
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `http_client_open_connections` | `server_address` | open now, used or idle |
//! | `http_client_connections_total` | `server_address` | opened |
//! | `http_client_connect_duration_seconds` | `server_address` | time to open one, name look-up included |
//! | `http_client_connect_errors_total` | `server_address`, `error_code` | could not be opened |
//!
//! Around a connector for TLS it counts the handshake in; inside of one it does not. Tonic's `Endpoint` takes it by
//! `connect_with_connector`. A name that is not found has the code of `getaddrinfo` (`EAI_NONAME`) if the connector
//! uses [`Resolver`]; the standard library gives the number away.
//!
//! # What it does not do
//!
//! It does not tell idle connections from used ones: hyper-util's pool shows nobody. A connect that the client drops,
//! because another connection became free first, is neither an error nor counted.

mod io;
mod layer;
mod resolver;
mod series;

pub(crate) use self::series::ConnectSeries;
pub use self::{
    io::Connection,
    layer::{ConnectFuture, ConnectTimeout, ConnectorLayer, ConnectorService},
    resolver::{Addresses, LookupError, Resolver, Resolving},
};
