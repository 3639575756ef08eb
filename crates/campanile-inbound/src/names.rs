//! The metrics of this crate. Their names and labels are spelt in this file only.

use campanile_metrics::{Descriptor, SERIES_FOLDED, UPGRADED_CONNECTIONS, Unit};

pub(crate) const METHOD: &str = "http_request_method";
pub(crate) const ROUTE: &str = "http_route";
pub(crate) const STATUS: &str = "http_response_status_code";
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const LIMIT: &str = "limit";
pub(crate) const RPC_METHOD: &str = "rpc_method";
pub(crate) const RPC_STATUS: &str = "rpc_response_status_code";

pub(crate) const REQUESTS: Descriptor = Descriptor::counter(
    "http_server_requests_total",
    None,
    "Exchanges that ended, by outcome; counted at the end of the response body",
    &[METHOD, ROUTE, STATUS, OUTCOME],
);
pub(crate) const REQUEST_DURATION: Descriptor = Descriptor::histogram(
    "http_server_request_duration_seconds",
    Some(Unit::Seconds),
    "Time from the request to the response head",
    &[METHOD, ROUTE, STATUS],
);
pub(crate) const RESPONSE_DURATION: Descriptor = Descriptor::histogram(
    "http_server_response_duration_seconds",
    Some(Unit::Seconds),
    "Time from the request to the end of the exchange",
    // Status and outcome with `MetricsLayer::with_status_labels` only.
    &[METHOD, ROUTE, STATUS, OUTCOME],
);
pub(crate) const ACTIVE: Descriptor = Descriptor::gauge(
    "http_server_active_requests",
    None,
    "Requests in flight, until the end of the response body",
    &[METHOD, ROUTE],
);
pub(crate) const REQUEST_SIZE: Descriptor = Descriptor::histogram(
    "http_server_request_body_size_bytes",
    Some(Unit::Bytes),
    "Size of the request body, where it is known",
    &[METHOD, ROUTE, STATUS, OUTCOME],
);
pub(crate) const RESPONSE_SIZE: Descriptor = Descriptor::histogram(
    "http_server_response_body_size_bytes",
    Some(Unit::Bytes),
    "Bytes of the response body that were handed over",
    &[METHOD, ROUTE, STATUS, OUTCOME],
);
pub(crate) const SHED: Descriptor = Descriptor::counter(
    "http_server_shed_requests_total",
    None,
    "Requests that were rejected because the service was full",
    &[LIMIT],
);
pub(crate) const CONCURRENCY_LIMIT: Descriptor = Descriptor::gauge(
    "http_server_concurrency_limit",
    None,
    "Requests that may be in flight at once",
    &[LIMIT],
);
pub(crate) const SATURATED: Descriptor = Descriptor::counter(
    "http_server_saturated_seconds_total",
    Some(Unit::Seconds),
    "Whole seconds during which the in-flight limit was reached",
    &[LIMIT],
);
pub(crate) const IDS_REJECTED: Descriptor = Descriptor::counter(
    "http_server_request_ids_rejected_total",
    None,
    "Incoming request ids that were not valid",
    &[],
);
pub(crate) const DEADLINES_REJECTED: Descriptor = Descriptor::counter(
    "http_server_deadlines_rejected_total",
    None,
    "Incoming deadlines that were not valid",
    &[],
);
pub(crate) const PROXY_WAIT: Descriptor = Descriptor::histogram(
    "http_server_proxy_wait_seconds",
    Some(Unit::Seconds),
    "Time that requests waited in the queue of the proxy, from its X-Request-Start",
    &[],
);
pub(crate) const STARTS_REJECTED: Descriptor = Descriptor::counter(
    "http_server_request_starts_rejected_total",
    None,
    "Incoming X-Request-Start headers that were not plausible",
    &[],
);
pub(crate) const SOFT_TIMEOUTS: Descriptor = Descriptor::counter(
    "http_server_soft_timeouts_total",
    None,
    "Requests whose response head took longer than the soft limit",
    &[],
);
pub(crate) const RPCS: Descriptor = Descriptor::counter(
    "rpc_server_requests_total",
    None,
    "gRPC calls that ended, by status",
    &[RPC_METHOD, RPC_STATUS],
);

/// Every metric that this crate records.
pub const METRICS: &[Descriptor] = &[
    REQUESTS,
    REQUEST_DURATION,
    RESPONSE_DURATION,
    ACTIVE,
    UPGRADED_CONNECTIONS,
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
    SERIES_FOLDED,
];
