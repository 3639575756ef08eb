//! The metrics of this crate: the one list of their names.

use campanile_core::series::{FOLDED, Kind, Metric};
use metrics::Unit;

pub(crate) const METHOD: &str = "http_request_method";
pub(crate) const ROUTE: &str = "http_route";
pub(crate) const STATUS: &str = "http_response_status_code";
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const LIMIT: &str = "limit";
pub(crate) const RPC_METHOD: &str = "rpc_method";
pub(crate) const RPC_STATUS: &str = "rpc_response_status_code";

pub(crate) const REQUESTS: Metric = Metric::new(
    "http_server_requests_total",
    Kind::Counter,
    None,
    "Exchanges that ended, by how they ended; counted at the end of the answer's body.",
);
pub(crate) const REQUEST_DURATION: Metric = Metric::new(
    "http_server_request_duration_seconds",
    Kind::Histogram,
    Some(Unit::Seconds),
    "Time from the request to the head of its answer.",
);
pub(crate) const RESPONSE_DURATION: Metric = Metric::new(
    "http_server_response_duration_seconds",
    Kind::Histogram,
    Some(Unit::Seconds),
    "Time from the request to the end of the exchange.",
);
pub(crate) const ACTIVE: Metric = Metric::new(
    "http_server_active_requests",
    Kind::Gauge,
    None,
    "Requests in flight, until the end of the answer's body.",
);
pub(crate) const UPGRADED: Metric = Metric::new(
    "http_server_upgraded_connections",
    Kind::Gauge,
    None,
    "Upgraded connections and tunnels that are open.",
);
pub(crate) const REQUEST_SIZE: Metric = Metric::new(
    "http_server_request_body_size_bytes",
    Kind::Histogram,
    Some(Unit::Bytes),
    "Size of the request's body, where it is known.",
);
pub(crate) const RESPONSE_SIZE: Metric = Metric::new(
    "http_server_response_body_size_bytes",
    Kind::Histogram,
    Some(Unit::Bytes),
    "Bytes of the answer's body that were handed over.",
);
pub(crate) const SHED: Metric = Metric::new(
    "http_server_shed_requests_total",
    Kind::Counter,
    None,
    "Requests that were refused because the service was full.",
);
pub(crate) const CONCURRENCY_LIMIT: Metric = Metric::new(
    "http_server_concurrency_limit",
    Kind::Gauge,
    None,
    "Requests that may be in flight at once.",
);
pub(crate) const SATURATED: Metric = Metric::new(
    "http_server_saturated_seconds_total",
    Kind::Counter,
    Some(Unit::Seconds),
    "Whole seconds in which the concurrency limit was reached.",
);
pub(crate) const IDS_REJECTED: Metric = Metric::new(
    "http_server_request_ids_rejected_total",
    Kind::Counter,
    None,
    "Incoming request ids that could not be taken.",
);
pub(crate) const DEADLINES_REJECTED: Metric = Metric::new(
    "http_server_deadlines_rejected_total",
    Kind::Counter,
    None,
    "Incoming deadlines that could not be read.",
);
pub(crate) const PROXY_WAIT: Metric = Metric::new(
    "http_server_proxy_wait_seconds",
    Kind::Histogram,
    Some(Unit::Seconds),
    "Time that requests waited in the queue of the proxy in front, as its X-Request-Start tells.",
);
pub(crate) const STARTS_REJECTED: Metric = Metric::new(
    "http_server_request_starts_rejected_total",
    Kind::Counter,
    None,
    "Incoming X-Request-Start headers that could not be believed.",
);
pub(crate) const SOFT_TIMEOUTS: Metric = Metric::new(
    "http_server_soft_timeouts_total",
    Kind::Counter,
    None,
    "Requests whose answer's head took longer than the soft limit.",
);
pub(crate) const RPCS: Metric = Metric::new(
    "rpc_server_requests_total",
    Kind::Counter,
    None,
    "gRPC calls that ended, by their status.",
);

/// Every metric that this crate records.
pub const ALL: &[Metric] = &[
    REQUESTS,
    REQUEST_DURATION,
    RESPONSE_DURATION,
    ACTIVE,
    UPGRADED,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    SHED,
    CONCURRENCY_LIMIT,
    SATURATED,
    IDS_REJECTED,
    DEADLINES_REJECTED,
    PROXY_WAIT,
    STARTS_REJECTED,
    SOFT_TIMEOUTS,
    RPCS,
    FOLDED,
];
