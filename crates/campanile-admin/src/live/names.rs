//! The metrics that are read.

pub(super) const REQUESTS: &str = "http_server_requests_total";
pub(super) const DURATION_BUCKET: &str = "http_server_request_duration_seconds_bucket";
pub(super) const ACTIVE_REQUESTS: &str = "http_server_active_requests";
pub(super) const CONCURRENCY_LIMIT: &str = "http_server_concurrency_limit";
pub(super) const SHED_REQUESTS: &str = "http_server_shed_requests_total";
pub(super) const OPEN_CONNECTIONS: &str = "http_server_open_connections";
pub(super) const CONNECTION_LIMIT: &str = "http_server_connection_limit";
pub(super) const BACKLOG_PENDING: &str = "listener_backlog_pending";
pub(super) const BACKLOG_LIMIT: &str = "listener_backlog_limit";
pub(super) const BACKLOG_OVERFLOWS: &str = "listener_backlog_overflows_total";
pub(super) const CLIENT_REQUESTS: &str = "http_client_requests_total";
pub(super) const CLIENT_ERRORS: &str = "http_client_errors_total";
pub(super) const CLIENT_ACTIVE_REQUESTS: &str = "http_client_active_requests";
pub(super) const PHASE: &str = "lifecycle_phase";

pub(super) const STATUS: &str = "http_response_status_code";
pub(super) const HOST: &str = "server_address";
pub(super) const LISTENER: &str = "listener";
pub(super) const LIMIT: &str = "limit";
pub(super) const PHASE_LABEL: &str = "phase";
pub(super) const BOUND: &str = "le";
