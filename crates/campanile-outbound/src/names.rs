//! The metrics of this crate, and the words of their labels. They stand nowhere else.

use campanile_core::series::{Kind, Metric};
use metrics::Unit;

pub(crate) const REQUESTS: Metric = Metric::new(
    "http_client_requests_total",
    Kind::Counter,
    None,
    "Calls that ended, however they did.",
);
pub(crate) const ERRORS: Metric = Metric::new(
    "http_client_errors_total",
    Kind::Counter,
    None,
    "Calls that ended with a 5xx answer or without a whole one.",
);
pub(crate) const TIMEOUTS: Metric = Metric::new(
    "http_client_timeouts_total",
    Kind::Counter,
    None,
    "Calls that a time limit ended, by what they were waiting for.",
);
pub(crate) const DURATION: Metric = Metric::new(
    "http_client_request_duration_seconds",
    Kind::Histogram,
    Some(Unit::Seconds),
    "Time from the call to the head of its answer.",
);
pub(crate) const ACTIVE: Metric = Metric::new(
    "http_client_active_requests",
    Kind::Gauge,
    None,
    "Calls that have begun and not ended.",
);
pub(crate) const RPC_REQUESTS: Metric = Metric::new(
    "rpc_client_requests_total",
    Kind::Counter,
    None,
    "gRPC calls that ended, by their status.",
);
pub(crate) const OPEN_CONNECTIONS: Metric = Metric::new(
    "http_client_open_connections",
    Kind::Gauge,
    None,
    "Connections that are open, used or idle.",
);
pub(crate) const CONNECTIONS: Metric = Metric::new(
    "http_client_connections_total",
    Kind::Counter,
    None,
    "Connections that were opened.",
);
pub(crate) const CONNECT_DURATION: Metric = Metric::new(
    "http_client_connect_duration_seconds",
    Kind::Histogram,
    Some(Unit::Seconds),
    "Time to open a connection, name look-up included.",
);
pub(crate) const CONNECT_ERRORS: Metric = Metric::new(
    "http_client_connect_errors_total",
    Kind::Counter,
    None,
    "Connections that could not be opened.",
);

/// All metrics that this crate records, but the counter of folded series that it shares with its siblings.
pub const METRICS: &[Metric] = &[
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
];

/// Label keys.
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

/// The value of a label that nothing names.
pub(crate) const UNKNOWN: &str = "unknown";
