//! The metrics of this crate.

use campanile_metrics::Descriptor;

/// All metrics of this crate.
pub const METRICS: &[Descriptor] = &[TLS_HANDSHAKE_ERRORS];

pub(crate) const TLS_HANDSHAKE_ERRORS: Descriptor = Descriptor::counter(
    "http_server_tls_handshake_errors_total",
    None,
    "Failed TLS handshakes",
    &["listener", "error"],
);
