//! Counts the connections of a hyper-util client: a layer for its connector, and a resolver.
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
//! | metric | labels | |
//! |---|---|---|
//! | `http_client_open_connections` | `server_address` | open, in use or idle |
//! | `http_client_connections_total` | `server_address` | opened connections |
//! | `http_client_connect_duration_seconds` | `server_address` | time to open a connection, including name resolution |
//! | `http_client_connect_errors_total` | `server_address`, `error_code` | connections that could not be opened |
//!
//! Around a TLS connector the duration includes the handshake, inside of one it does not. Tonic's `Endpoint` accepts
//! the connector in `connect_with_connector`. With [`Resolver`], a failed name resolution has the code of
//! `getaddrinfo`, such as `EAI_NONAME`, which the standard library discards.
//!
//! # What it does not do
//!
//! It does not distinguish idle connections from those in use, since hyper-util's pool does not expose them. A
//! connection attempt that the client drops because another connection became free first is not counted.

mod connection;
mod layer;
mod resolver;
mod series;

pub(crate) use self::series::ConnectSeries;
pub use self::{
    connection::CountedConnection,
    layer::{ConnectFuture, ConnectTimeout, ConnectorLayer, ConnectorService},
    resolver::{LookupError, ResolveFuture, ResolvedAddresses, Resolver},
};
