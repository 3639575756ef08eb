//! What the layers record, as far as a profile of this crate names it: the one place of these names.

/// Requests that came in.
pub(super) mod server {
    pub(in super::super) const REQUESTS: &str = "http_server_requests_total";
    pub(in super::super) const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
    pub(in super::super) const RESPONSE_DURATION: &str = "http_server_response_duration_seconds";
    pub(in super::super) const ACTIVE: &str = "http_server_active_requests";
    pub(in super::super) const REQUEST_SIZE: &str = "http_server_request_body_size_bytes";
    pub(in super::super) const RESPONSE_SIZE: &str = "http_server_response_body_size_bytes";
    pub(in super::super) const OPEN_CONNECTIONS: &str = "http_server_open_connections";
    pub(in super::super) const CONNECTION_LIMIT: &str = "http_server_connection_limit";
    pub(in super::super) const BACKLOG: &str = "listener_backlog_pending";
}

/// Calls that went out.
pub(super) mod client {
    pub(in super::super) const REQUESTS: &str = "http_client_requests_total";
    pub(in super::super) const ERRORS: &str = "http_client_errors_total";
    pub(in super::super) const TIMEOUTS: &str = "http_client_timeouts_total";
    pub(in super::super) const DURATION: &str = "http_client_request_duration_seconds";
    pub(in super::super) const ACTIVE: &str = "http_client_active_requests";
    pub(in super::super) const OPEN_CONNECTIONS: &str = "http_client_open_connections";
}

/// The runtime.
pub(super) mod runtime {
    pub(in super::super) const WORKERS: &str = "runtime_workers";
    pub(in super::super) const BUSY_WORKERS: &str = "runtime_busy_workers";
    pub(in super::super) const BLOCKED: &str = "runtime_blocked_seconds";
}

/// Labels.
pub(super) mod label {
    pub(in super::super) const METHOD: &str = "http_request_method";
    pub(in super::super) const ROUTE: &str = "http_route";
    pub(in super::super) const STATUS: &str = "http_response_status_code";
    pub(in super::super) const OUTCOME: &str = "outcome";
    pub(in super::super) const HOST: &str = "server_address";
    pub(in super::super) const VIEW: &str = "url_template";
    pub(in super::super) const ERROR_TYPE: &str = "error_type";
    pub(in super::super) const ERROR_CODE: &str = "error_code";
    pub(in super::super) const LISTENER: &str = "listener";
}

/// The route of a request that matched none.
pub(super) const OTHER: &str = "other";

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "unknown";
