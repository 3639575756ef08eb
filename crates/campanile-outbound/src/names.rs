//! The metrics of this crate. Their names and labels are spelt in this file only.

use campanile_metrics::{Descriptor, SERIES_FOLDED, Unit};

/// Label names.
pub(crate) mod label {
    pub(crate) const METHOD: &str = "http_request_method";
    pub(crate) const STATUS: &str = "http_response_status_code";
    pub(crate) const HOST: &str = "server_address";
    pub(crate) const VIEW: &str = "url_template";
    pub(crate) const ERROR_TYPE: &str = "error_type";
    pub(crate) const ERROR_CODE: &str = "error_code";
    pub(crate) const PHASE: &str = "phase";
    pub(crate) const RPC_METHOD: &str = "rpc_method";
    pub(crate) const RPC_STATUS: &str = "rpc_response_status_code";
}

use label::{ERROR_CODE, ERROR_TYPE, HOST, METHOD, PHASE, RPC_METHOD, RPC_STATUS, STATUS, VIEW};

pub(crate) const REQUESTS: Descriptor = Descriptor::counter(
    "http_client_requests_total",
    None,
    "Calls that ended",
    // The last three with `MetricsLayer::with_status_labels` only.
    &[HOST, VIEW, METHOD, STATUS, ERROR_TYPE],
);
pub(crate) const ERRORS: Descriptor = Descriptor::counter(
    "http_client_errors_total",
    None,
    "Calls that ended with a 5xx response or without a complete one",
    &[HOST, VIEW, ERROR_TYPE, ERROR_CODE],
);
pub(crate) const TIMEOUTS: Descriptor = Descriptor::counter(
    "http_client_timeouts_total",
    None,
    "Calls that a time limit ended, by the phase they were in",
    &[HOST, VIEW, PHASE],
);
pub(crate) const DURATION: Descriptor = Descriptor::histogram(
    "http_client_request_duration_seconds",
    Some(Unit::Seconds),
    "Time from the call to the response head",
    &[METHOD, HOST, VIEW, STATUS],
);
pub(crate) const ACTIVE: Descriptor = Descriptor::gauge(
    "http_client_active_requests",
    None,
    "Calls in flight",
    // The method with `MetricsLayer::with_status_labels` only.
    &[HOST, METHOD],
);
pub(crate) const RPC_REQUESTS: Descriptor = Descriptor::counter(
    "rpc_client_requests_total",
    None,
    "gRPC calls that ended, by status",
    &[RPC_METHOD, RPC_STATUS],
);
pub(crate) const OPEN_CONNECTIONS: Descriptor = Descriptor::gauge(
    "http_client_open_connections",
    None,
    "Connections that are open, in use or idle",
    &[HOST],
);
pub(crate) const CONNECTIONS: Descriptor = Descriptor::counter(
    "http_client_connections_total",
    None,
    "Connections that were opened",
    &[HOST],
);
pub(crate) const CONNECT_DURATION: Descriptor = Descriptor::histogram(
    "http_client_connect_duration_seconds",
    Some(Unit::Seconds),
    "Time to open a connection, including name resolution",
    &[HOST],
);
pub(crate) const CONNECT_ERRORS: Descriptor = Descriptor::counter(
    "http_client_connect_errors_total",
    None,
    "Connections that could not be opened",
    &[HOST, ERROR_CODE],
);

/// Every metric that this crate records.
pub const METRICS: &[Descriptor] = &[
    REQUESTS,
    ERRORS,
    TIMEOUTS,
    DURATION,
    ACTIVE,
    RPC_REQUESTS,
    OPEN_CONNECTIONS,
    CONNECTIONS,
    CONNECT_DURATION,
    CONNECT_ERRORS,
    SERIES_FOLDED,
];

/// The value of a label that has no other.
pub(crate) const UNKNOWN: &str = "unknown";

/// Makes labels from pairs of name and value.
pub(crate) fn labels<const N: usize>(pairs: [(&'static str, &'static str); N]) -> Vec<metrics::Label> {
    pairs
        .into_iter()
        .map(|(name, value)| metrics::Label::from_static_parts(name, value))
        .collect()
}
