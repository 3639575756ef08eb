//! A validated table of rows, and the built-in tables.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    MethodCase, ProfileError, ProfileRecorder, Row, baseplate, gunicorn, talisker, validation::validate,
};
use crate::MetricKind;

/// A table that maps the metrics of the layers to other metrics.
///
/// See the [module docs](super). Clones share the table.
#[derive(Clone)]
pub struct Profile(Arc<RowTable>);

struct RowTable {
    rows: Vec<Row>,
    by_source: HashMap<&'static str, Vec<TableEntry>>,
}

/// A row, with what depends on the other rows.
pub(super) struct TableEntry {
    pub(super) row: Row,
    /// Whether no other row has this target.
    pub(super) is_only_source: bool,
}

impl Profile {
    /// Creates a profile from rows.
    ///
    /// Rows may share a source, which then feeds several targets, and rows may share a target. A source without rows
    /// passes unchanged; its name must not be that of a target.
    ///
    /// # Errors
    ///
    /// If a name, scale or set of buckets is invalid, or if two rows have the same target with different kinds, labels or
    /// buckets. The error names the row, counted from zero.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Result<Self, ProfileError> {
        let rows: Vec<Row> = rows.into_iter().collect();
        validate(&rows)?;
        let mut by_source: HashMap<_, Vec<_>> = HashMap::new();
        for row in &rows {
            let sources = rows.iter().filter(|other| other.target == row.target).count();
            by_source.entry(row.source).or_default().push(TableEntry {
                row: *row,
                is_only_source: sources == 1,
            });
        }
        Ok(Self(Arc::new(RowTable { rows, by_source })))
    }

    /// Creates the profile of talisker, for Prometheus or dotted statsd lines.
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
    /// The view of an incoming request is its route, `unknown` without one. An unknown status is `timeout` if the request
    /// timed out, otherwise `unknown`. The error type of an outgoing call is `http` or `connection`. Hosts are in lower
    /// case, without port, with `-` for `.` and `:`.
    ///
    /// | layer | requires | otherwise |
    /// |---|---|---|
    /// | server, `MetricsLayer` | `with_view_name_as_route` | the view is the matched route rather than the response's `X-View-Name` |
    /// | | `with_status_labels` | the status of every `wsgi_latency` is `unknown` |
    /// | client, `PropagateLayer` | `with_pass_through(true)` | request IDs are composed, and talisker logs the longer ones |
    #[must_use]
    pub fn talisker() -> Self {
        Self::built_in(talisker::TABLE)
    }

    /// Creates the profile of gunicorn's gauges, for Prometheus.
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
    /// No options of the layers are required.
    #[must_use]
    pub fn gunicorn() -> Self {
        Self::built_in(gunicorn::TABLE)
    }

    /// Creates the profile of gunicorn's statsd lines.
    ///
    /// | target | source |
    /// |---|---|
    /// | `gunicorn.requests` | `http_server_requests_total` |
    /// | `gunicorn.request.status.<code>` | the same, if there was a response head; the label is `code` |
    /// | `gunicorn.request.duration`, ms | `http_server_response_duration_seconds` |
    /// | `gunicorn.workers` | `runtime_workers` |
    /// | `gunicorn.backlog` | `listener_backlog_pending`, all listeners |
    ///
    /// No options of the layers are required.
    #[must_use]
    pub fn gunicorn_statsd() -> Self {
        Self::built_in(gunicorn::STATSD)
    }

    /// Creates the profile of baseplate's HTTP metrics, for Prometheus.
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
    /// The endpoint is `404` if no route matched. `http_success` is `true` for statuses from 200 to 399, unless the
    /// request timed out, panicked or failed, and empty if the source has no status.
    ///
    /// | layer | requires | otherwise |
    /// |---|---|---|
    /// | server, `MetricsLayer` | `with_status_labels` | `http_success` of sizes is empty |
    /// | client, `MetricsLayer` | `with_status_labels` | method, code and success of `http_client_requests_total` are empty, and the method of `http_client_active_requests` |
    ///
    /// A call with a response status of 400 or more has the success `false` and its code; baseplate.py leaves the success
    /// empty by mistake, which is not copied.
    #[must_use]
    pub fn baseplate(case: MethodCase) -> Self {
        Self::built_in(case.table())
    }

    /// Creates the profile of the statsd gauges and timers of baseplate's runtime monitors.
    ///
    /// | target | source |
    /// |---|---|
    /// | `runtime.open_connections{hostname,PID}` | `http_server_open_connections` |
    /// | `runtime.active_requests{hostname,PID}` | `http_server_active_requests` |
    /// | `runtime.hub_blocked{hostname,PID}`, ms | `runtime_blocked_seconds` |
    /// | `runtime.pool.open_connections{hostname,PID,client}` | `http_client_open_connections` |
    /// | `runtime.pool.in_use{hostname,PID,client}` | `http_client_active_requests` |
    ///
    /// No options of the layers are required. baseplate sends every ten seconds: use a `statsd::Flusher` with a recorder of
    /// its own, and restore the dots of the names by `with_names`.
    #[must_use]
    pub fn baseplate_statsd() -> Self {
        Self::built_in(baseplate::STATSD)
    }

    fn built_in(rows: &[Row]) -> Self {
        Self::new(rows.iter().copied()).expect("the built-in tables are tested")
    }

    /// Wraps a recorder.
    pub fn over<R>(&self, recorder: R) -> ProfileRecorder<R> {
        ProfileRecorder::new(self.clone(), recorder)
    }

    /// Returns each target with fixed buckets, and their upper bounds in the unit of the target.
    ///
    /// They must be set in the inner recorder, as by
    /// [`RecorderBuilder::with_profile_buckets`](crate::RecorderBuilder::with_profile_buckets).
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, &'static [f64])> {
        let rows = &self.0.rows;
        rows.iter().enumerate().filter_map(|(index, row)| {
            let seen = rows[..index].iter().any(|earlier| earlier.target == row.target);
            row.buckets.filter(|_| !seen).map(|bounds| (row.target, bounds))
        })
    }

    /// Returns the rows of a source, or `None` if the table does not name it.
    pub(super) fn rows_of(
        &self,
        kind: MetricKind,
        source: &str,
    ) -> Option<impl Iterator<Item = &TableEntry>> {
        let entries = self.0.by_source.get(source)?;
        let of_kind = move |entry: &&TableEntry| entry.row.kind == kind;
        entries
            .iter()
            .any(|entry| of_kind(&entry))
            .then(|| entries.iter().filter(of_kind))
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.rows).finish()
    }
}
