//! The profiles that come with the crate.

use super::{MethodCase, Profile, Row, baseplate, gunicorn, talisker};

impl Profile {
    /// Makes the profile of talisker, scraped or as dotted statsd lines.
    ///
    /// | target | source |
    /// |---|---|
    /// | `requests_count_total{host,view}` | `http_client_requests_total` |
    /// | `requests_latency{host,view,status}`, ms | `http_client_request_duration_seconds` |
    /// | `requests_errors_total{host,type,view,status}` | `http_client_errors_total` |
    /// | `requests_timeouts_total{host,view}` | `http_client_timeouts_total`, all phases |
    /// | `wsgi_requests_total{view,method,status}` | `http_server_requests_total` |
    /// | `wsgi_errors_total{view,method,status}` | the same, from 500 on, unless it timed out |
    /// | `wsgi_timeouts_total{view,method}` | the same, where it timed out |
    /// | `wsgi_latency{view,method,status}`, ms | `http_server_response_duration_seconds` |
    ///
    /// An incoming request's view is its route, `unknown` where it has none. A status that is not known is `timeout` where
    /// the request timed out, else `unknown`. An outgoing call's error is of type `http` or `connection`. Hosts are in
    /// lower case, without port, with `-` for `.` and `:`.
    ///
    /// | layer | needs | without it |
    /// |---|---|---|
    /// | server, `MetricsLayer` | `with_view_name_as_route` | the view is the route that the layer knows, not the answer's `X-View-Name` |
    /// | | `with_status_labels` | every `wsgi_latency` has the status `unknown` |
    /// | client, `PropagateLayer` | `with_pass_through(true)` | ids are composed, and talisker's logs show the longer ones |
    #[must_use]
    pub fn talisker() -> Self {
        Self::known(talisker::TABLE)
    }

    /// Makes the profile of gunicorn's gauges, scraped.
    ///
    /// | target | source |
    /// |---|---|
    /// | `gunicorn_pending_requests{pid}` | `http_server_active_requests` |
    /// | `gunicorn_pending_connections{listener}` | `listener_backlog_pending`; as `http://127.0.0.1:8080` |
    /// | `gunicorn_active_worker_connections{pid}` | `http_server_open_connections` |
    /// | `gunicorn_max_worker_connections{pid}` | `http_server_connection_limit` |
    /// | `gunicorn_active_worker_threads{pid}` | `runtime_busy_workers` |
    /// | `gunicorn_max_worker_threads{pid}` | `runtime_workers` |
    ///
    /// The layers need no options for it.
    #[must_use]
    pub fn gunicorn() -> Self {
        Self::known(gunicorn::TABLE)
    }

    /// Makes the profile of gunicorn's statsd lines.
    ///
    /// | target | source |
    /// |---|---|
    /// | `gunicorn.requests` | `http_server_requests_total` |
    /// | `gunicorn.request.status.<code>` | the same, where there was a head; the label is `code` |
    /// | `gunicorn.request.duration`, ms | `http_server_response_duration_seconds` |
    /// | `gunicorn.workers` | `runtime_workers` |
    /// | `gunicorn.backlog` | `listener_backlog_pending`, all listeners |
    ///
    /// The layers need no options for it.
    #[must_use]
    pub fn gunicorn_statsd() -> Self {
        Self::known(gunicorn::STATSD)
    }

    /// Makes the profile of baseplate's HTTP metrics, scraped.
    ///
    /// | target | source |
    /// |---|---|
    /// | `http_server_latency_seconds{http_method,http_endpoint,http_success}` | `http_server_request_duration_seconds` |
    /// | `http_server_requests_total{…,http_response_code}` | `http_server_requests_total` |
    /// | `http_server_active_requests{http_method,http_endpoint}` | `http_server_active_requests` |
    /// | `http_server_request_size_bytes`, `http_server_response_size_bytes` `{http_method,http_endpoint,http_success}` | `http_server_request_body_size_bytes`, `http_server_response_body_size_bytes` |
    /// | `http_client_latency_seconds{http_method,http_client_name,http_success}` | `http_client_request_duration_seconds` |
    /// | `http_client_requests_total{…,http_response_code}` | `http_client_requests_total` |
    /// | `http_client_active_requests{http_method,http_client_name}` | `http_client_active_requests` |
    ///
    /// The endpoint is `404` where no route matched. `http_success` is `true` for statuses from 200 to 399, unless the
    /// request timed out, panicked or failed, and empty where the source has no status to tell it by.
    ///
    /// | layer | needs | without it |
    /// |---|---|---|
    /// | server, `MetricsLayer` | `with_status_labels` | sizes have an empty `http_success` |
    /// | client, `MetricsLayer` | `with_status_labels` | `http_client_requests_total` has method, code and success empty, `http_client_active_requests` the method |
    ///
    /// A call that was answered with 400 or more has the success `false` and its code; baseplate.py leaves the first
    /// empty, by a mistake that is not copied.
    #[must_use]
    pub fn baseplate(case: MethodCase) -> Self {
        Self::known(case.table())
    }

    /// Makes the profile of the statsd gauges and timers of baseplate's runtime monitors.
    ///
    /// | target | source |
    /// |---|---|
    /// | `runtime.open_connections{hostname,PID}` | `http_server_open_connections` |
    /// | `runtime.active_requests{hostname,PID}` | `http_server_active_requests` |
    /// | `runtime.hub_blocked{hostname,PID}`, ms | `runtime_blocked_seconds` |
    /// | `runtime.pool.open_connections{hostname,PID,client}` | `http_client_open_connections` |
    /// | `runtime.pool.in_use{hostname,PID,client}` | `http_client_active_requests` |
    ///
    /// The layers need no options for it. baseplate sends each ten seconds: a
    /// `statsd::Flusher` over a recorder of its own does, whose names get their dots back by `with_names`.
    #[must_use]
    pub fn baseplate_statsd() -> Self {
        Self::known(baseplate::STATSD)
    }

    fn known(rows: &[Row]) -> Self {
        Self::new(rows.iter().copied()).expect("the tables of this crate are tested")
    }
}
