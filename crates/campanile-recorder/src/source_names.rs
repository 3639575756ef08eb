//! The names of the metrics and labels that the layers of campanile record, as far as the profiles use them.

/// Metrics of incoming requests.
pub(crate) mod server {
    pub(crate) const REQUESTS: &str = "http_server_requests_total";
    pub(crate) const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
    pub(crate) const RESPONSE_DURATION: &str = "http_server_response_duration_seconds";
    pub(crate) const ACTIVE: &str = "http_server_active_requests";
    pub(crate) const REQUEST_SIZE: &str = "http_server_request_body_size_bytes";
    pub(crate) const RESPONSE_SIZE: &str = "http_server_response_body_size_bytes";
    pub(crate) const OPEN_CONNECTIONS: &str = "http_server_open_connections";
    pub(crate) const CONNECTION_LIMIT: &str = "http_server_connection_limit";
    pub(crate) const BACKLOG: &str = "listener_backlog_pending";
}

/// Metrics of outgoing requests.
pub(crate) mod client {
    pub(crate) const REQUESTS: &str = "http_client_requests_total";
    pub(crate) const ERRORS: &str = "http_client_errors_total";
    pub(crate) const TIMEOUTS: &str = "http_client_timeouts_total";
    pub(crate) const DURATION: &str = "http_client_request_duration_seconds";
    pub(crate) const ACTIVE: &str = "http_client_active_requests";
    pub(crate) const OPEN_CONNECTIONS: &str = "http_client_open_connections";
}

/// Metrics of the tokio runtime.
pub(crate) mod runtime {
    pub(crate) const WORKERS: &str = "runtime_workers";
    pub(crate) const BUSY_WORKERS: &str = "runtime_busy_workers";
    pub(crate) const BLOCKED: &str = "runtime_blocked_seconds";
}

/// Label names.
pub(crate) mod label {
    pub(crate) const METHOD: &str = "http_request_method";
    pub(crate) const ROUTE: &str = "http_route";
    pub(crate) const STATUS: &str = "http_response_status_code";
    pub(crate) const OUTCOME: &str = "outcome";
    pub(crate) const HOST: &str = "server_address";
    pub(crate) const VIEW: &str = "url_template";
    pub(crate) const ERROR_TYPE: &str = "error_type";
    pub(crate) const ERROR_CODE: &str = "error_code";
    pub(crate) const LISTENER: &str = "listener";
}

/// The route beyond the limit of routes.
pub(crate) const OTHER: &str = "other";

/// The value of a label that is not known.
pub(crate) const UNKNOWN: &str = "unknown";
