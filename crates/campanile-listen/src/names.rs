//! The metrics of this crate: the only file that spells their names.

use metrics::Unit;

/// What a metric is to the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

/// One family of metrics.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
}

pub(crate) const OPEN_CONNECTIONS: Name = Name {
    name: "http_server_open_connections",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "Accepted connections that are open",
};

pub(crate) const CONNECTION_LIMIT: Name = Name {
    name: "http_server_connection_limit",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "Open connections at which accepting pauses",
};

pub(crate) const CONNECTIONS: Name = Name {
    name: "http_server_connections_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Connections that ended, by how they ended",
};

pub(crate) const ACCEPT_ERRORS: Name = Name {
    name: "http_server_accept_errors_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Failed accepts, by the name of the error number",
};

// Shared with campanile-inbound, which counts what no connection shows: the text must be the same, or the help of the
// family depends on which of the two was first.
pub(crate) const UPGRADED_CONNECTIONS: Name = Name {
    name: "http_server_upgraded_connections",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "Upgraded connections and tunnels that are open.",
};

/// Every family, each once.
pub(crate) const ALL: [&Name; 5] = [
    &OPEN_CONNECTIONS,
    &CONNECTION_LIMIT,
    &CONNECTIONS,
    &ACCEPT_ERRORS,
    &UPGRADED_CONNECTIONS,
];

/// The label that tells listeners apart.
pub(crate) const LISTENER: &str = "listener";

/// The label that tells how a connection ended.
pub(crate) const CLOSE: &str = "close";

/// The label that names an error number.
pub(crate) const ERROR: &str = "error";
