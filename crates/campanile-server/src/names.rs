//! The metrics of this crate: the only file that spells their names.

use metrics::Unit;

/// One family of counters.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
}

pub(crate) const TLS_HANDSHAKE_ERRORS: Name = Name {
    name: "http_server_tls_handshake_errors_total",
    unit: Unit::Count,
    help: "TLS handshakes that failed, by what was wrong",
};

/// The label that tells listeners apart.
pub(crate) const LISTENER: &str = "listener";

/// The label that tells what was wrong.
pub(crate) const ERROR: &str = "error";
