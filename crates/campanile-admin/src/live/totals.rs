//! The values shown on the live page, summed over the series of the metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::histogram::Buckets;
use super::metric_line::{Labels, MetricLine};
use crate::ServicePhase;

/// The status codes that are shown separately, the same as in Weave Scope's plugin. All others are summed.
const CODES: [&str; 16] = [
    "100", "200", "201", "202", "204", "308", "400", "401", "403", "404", "408", "451", "500", "501", "502",
    "503",
];
const OTHER_CODES: &str = "OTHERS";

/// The most hosts and listeners that are kept. The layers intern fewer hosts.
const MAX_ROWS: usize = 250;
/// The longest name of a row, in bytes, as of host names in DNS.
const MAX_NAME: usize = 255;
/// The longest line, in bytes. Longer ones are skipped.
const MAX_LINE: usize = 64 * 1024;

/// The sums of one reading of the metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MetricTotals {
    pub(super) requests: f64,
    pub(super) codes: BTreeMap<&'static str, f64>,
    pub(super) latency: Buckets,
    pub(super) in_flight: f64,
    pub(super) in_flight_limit: Option<InFlightLimit>,
    pub(super) shed: f64,
    pub(super) connections: f64,
    pub(super) connection_limit: Option<f64>,
    pub(super) listeners: BTreeMap<String, QueueTotals>,
    pub(super) calls: BTreeMap<String, CallTotals>,
    pub(super) phase: Option<ServicePhase>,
}

/// The limit of requests in flight: the one labelled `main`, or the largest one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct InFlightLimit {
    is_main: bool,
    pub(super) value: f64,
}

/// The accept queue of a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct QueueTotals {
    pub(super) pending: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) overflows: Option<f64>,
}

/// The outgoing calls to a host.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct CallTotals {
    pub(super) requests: f64,
    pub(super) errors: f64,
    pub(super) in_flight: f64,
}

impl MetricTotals {
    fn add_line(&mut self, line: &[u8]) {
        // Skips most lines of a long text before UTF-8 is validated.
        let relevant =
            line.starts_with(b"http_") || line.starts_with(b"listener_") || line.starts_with(b"lifecycle_");
        if relevant
            && line.len() <= MAX_LINE
            && let Ok(line) = str::from_utf8(line)
            && let Some(line) = MetricLine::parse(line)
        {
            self.add(&line);
        }
    }

    fn add(&mut self, line: &MetricLine<'_>) {
        let MetricLine { name, labels, value } = *line;
        match name {
            "http_server_requests_total" => {
                self.requests += value;
                if let Some(code) = code(labels) {
                    *self.codes.entry(code).or_default() += value;
                }
            }
            "http_server_request_duration_seconds_bucket" => {
                if let Some(bound) = labels.get("le").and_then(|bound| bound.parse().ok()) {
                    self.latency.add(bound, value);
                }
            }
            "http_server_active_requests" => self.in_flight += value,
            "http_server_concurrency_limit" => self.add_in_flight_limit(labels, value),
            "http_server_shed_requests_total" => self.shed += value,
            "http_server_open_connections" => self.connections += value,
            "http_server_connection_limit" => add(&mut self.connection_limit, value),
            "listener_backlog_pending" => self.queue(labels, |queue| add(&mut queue.pending, value)),
            "listener_backlog_limit" => self.queue(labels, |queue| add(&mut queue.limit, value)),
            "listener_backlog_overflows_total" => {
                self.queue(labels, |queue| add(&mut queue.overflows, value));
            }
            "http_client_requests_total" => self.call(labels, |calls| calls.requests += value),
            "http_client_errors_total" => self.call(labels, |calls| calls.errors += value),
            "http_client_active_requests" => self.call(labels, |calls| calls.in_flight += value),
            "lifecycle_phase" if value > 0.0 => {
                let phase = labels
                    .get("phase")
                    .and_then(|name| ServicePhase::from_name(&name));
                // With several processes, the earliest phase: that process serves.
                self.phase = self.phase.into_iter().chain(phase).min();
            }
            _ => {}
        }
    }

    fn add_in_flight_limit(&mut self, labels: Labels<'_>, value: f64) {
        let is_main = labels.get("limit").as_deref() == Some("main");
        let limit = InFlightLimit { is_main, value };
        self.in_flight_limit = Some(match self.in_flight_limit {
            Some(known) if known.is_main == is_main => InFlightLimit {
                is_main,
                value: known.value.max(value),
            },
            Some(known) if known.is_main => known,
            _ => limit,
        });
    }

    fn queue(&mut self, labels: Labels<'_>, update: impl FnOnce(&mut QueueTotals)) {
        update_row(&mut self.listeners, labels.get("listener"), update);
    }

    fn call(&mut self, labels: Labels<'_>, update: impl FnOnce(&mut CallTotals)) {
        update_row(&mut self.calls, labels.get("server_address"), update);
    }
}

/// Returns the shown status code of a series, or `None` if it counts requests without a response.
fn code(labels: Labels<'_>) -> Option<&'static str> {
    let code = labels
        .get("http_response_status_code")
        .filter(|code| !code.is_empty())?;
    let shown = CODES.into_iter().find(|shown| *shown == code);
    Some(shown.unwrap_or(OTHER_CODES))
}

fn add(sum: &mut Option<f64>, value: f64) {
    *sum.get_or_insert(0.0) += value;
}

fn update_row<T: Default>(
    rows: &mut BTreeMap<String, T>,
    name: Option<Cow<'_, str>>,
    update: impl FnOnce(&mut T),
) {
    let name = name.unwrap_or_default();
    if name.len() > MAX_NAME {
        return;
    }
    if let Some(row) = rows.get_mut(&*name) {
        update(row);
    } else if rows.len() < MAX_ROWS {
        update(rows.entry(name.into_owned()).or_default());
    }
}

/// Reads a text in chunks, which may end anywhere.
#[derive(Debug, Default)]
pub(super) struct TotalsReader {
    totals: MetricTotals,
    /// The start of a line that continues in the next chunk, up to the longest line.
    partial_line: Vec<u8>,
}

impl TotalsReader {
    /// Reads the next chunk.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            self.extend_line(chunk);
            return;
        };
        let (lines, rest) = chunk.split_at(end);
        let mut lines = lines.split(|byte| *byte == b'\n');
        if !self.partial_line.is_empty() {
            self.extend_line(lines.next().unwrap_or_default());
            let line = std::mem::take(&mut self.partial_line);
            self.totals.add_line(&line);
        }
        lines.for_each(|line| self.totals.add_line(line));
        self.extend_line(&rest[1..]);
    }

    /// Keeps one byte more than a line may have, so that a line that is too long is known as such.
    fn extend_line(&mut self, bytes: &[u8]) {
        let left = (MAX_LINE + 1).saturating_sub(self.partial_line.len());
        self.partial_line
            .extend_from_slice(&bytes[..bytes.len().min(left)]);
    }

    /// Returns the totals.
    pub(super) fn finish(mut self) -> MetricTotals {
        self.totals.add_line(&self.partial_line);
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP http_server_requests_total Requests.
http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/a\"} 3
http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/b\"} 4
http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"418\",http_route=\"/b\"} 1
http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"\",http_route=\"/b\"} 2
http_server_request_duration_seconds_bucket{http_route=\"/a\",le=\"0.5\"} 1
http_server_request_duration_seconds_bucket{http_route=\"/b\",le=\"0.5\"} 2
http_server_request_duration_seconds_bucket{http_route=\"/b\",le=\"+Inf\"} 4
http_server_active_requests{http_route=\"/a\"} 5
http_server_concurrency_limit{limit=\"other\"} 900
http_server_concurrency_limit{limit=\"main\"} 16
http_server_concurrency_limit{limit=\"zebra\"} 901
http_server_open_connections{listener=\"127.0.0.1:1\"} 7
listener_backlog_pending{listener=\"127.0.0.1:1\"} 2
listener_backlog_overflows_total{listener=\"127.0.0.1:1\"} 3
http_client_requests_total{server_address=\"stock\",url_template=\"a\"} 2
http_client_requests_total{server_address=\"stock\",url_template=\"b\"} 2
http_client_errors_total{server_address=\"stock\"} 1
lifecycle_phase{phase=\"starting\"} 0
lifecycle_phase{phase=\"ready\"} 1
other_total 8
";

    fn read(text: &str, chunk_size: usize) -> MetricTotals {
        let mut reader = TotalsReader::default();
        text.as_bytes()
            .chunks(chunk_size)
            .for_each(|chunk| reader.feed(chunk));
        reader.finish()
    }

    #[test]
    fn series_are_summed() {
        let totals = read(TEXT, usize::MAX);
        assert_eq!(totals.requests, 10.0);
        assert_eq!(totals.codes, BTreeMap::from([("200", 7.0), ("OTHERS", 1.0)]));
        let mut latency = Buckets::default();
        latency.add(0.5, 3.0);
        latency.add(f64::INFINITY, 4.0);
        assert_eq!(totals.latency, latency);
        assert_eq!(totals.in_flight, 5.0);
        assert_eq!(totals.in_flight_limit.map(|limit| limit.value), Some(16.0));
        assert_eq!((totals.connections, totals.connection_limit), (7.0, None));
        let queue = totals.listeners["127.0.0.1:1"];
        assert_eq!(
            (queue.pending, queue.limit, queue.overflows),
            (Some(2.0), None, Some(3.0))
        );
        let stock = totals.calls["stock"];
        assert_eq!((stock.requests, stock.errors, stock.in_flight), (4.0, 1.0, 0.0));
        assert_eq!(totals.phase, Some(ServicePhase::Ready));
    }

    #[test]
    fn chunks_may_end_anywhere() {
        let whole = read(TEXT, usize::MAX);
        for chunk_size in [1, 2, 7, 64, 1000] {
            assert_eq!(read(TEXT, chunk_size), whole, "chunks of {chunk_size}");
        }
        assert_eq!(read(TEXT.trim_end(), 10), whole);
    }

    #[test]
    fn long_lines_and_names_are_skipped() {
        let long = "a".repeat(1 << 20);
        let text = format!(
            "http_server_active_requests{{http_route=\"{long}\"}} 1\nhttp_client_requests_total{{server_address=\"{}\"}} 1\n\
             http_server_active_requests 2\n",
            &long[..MAX_NAME + 1],
        );
        for chunk_size in [1000, MAX_LINE, usize::MAX] {
            let totals = read(&text, chunk_size);
            assert_eq!(
                (totals.in_flight, totals.calls.len()),
                (2.0, 0),
                "chunks of {chunk_size}"
            );
        }
        let mut reader = TotalsReader::default();
        text.as_bytes()
            .chunks(1000)
            .take(900)
            .for_each(|chunk| reader.feed(chunk));
        assert!(reader.partial_line.len() <= MAX_LINE + 1);
    }

    #[test]
    fn rows_are_limited() {
        let text: String = (0..1000)
            .map(|host| format!("http_client_requests_total{{server_address=\"{host}\"}} 1\n"))
            .collect();
        assert_eq!(read(&text, 100).calls.len(), MAX_ROWS);
    }
}
