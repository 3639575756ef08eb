//! What the metrics' text says at one moment, summed over what the page does not tell apart.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::line::{Labels, Line};
use super::names;
use super::quantiles::Buckets;
use crate::Phase;

/// The status codes that are told apart: those of Weave Scope's plugin. All others are one.
const CODES: [&str; 16] = [
    "100", "200", "201", "202", "204", "308", "400", "401", "403", "404", "408", "451", "500", "501", "502",
    "503",
];
const OTHER_CODES: &str = "OTHERS";

/// So many hosts and listeners are told apart at most; the rest is not shown. The layers have fewer hosts.
const ROWS: usize = 250;
/// So many bounds, as the text may be anybody's.
const BOUNDS: usize = 200;

/// The sums.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) requests: f64,
    pub(super) codes: BTreeMap<&'static str, f64>,
    pub(super) latency: Buckets,
    pub(super) in_flight: f64,
    /// The limit of limits called `main`, or the largest of others.
    pub(super) concurrency_limit: Option<(bool, f64)>,
    pub(super) shed: f64,
    pub(super) connections: f64,
    pub(super) connection_limit: Option<f64>,
    pub(super) listeners: BTreeMap<String, Queue>,
    pub(super) calls: BTreeMap<String, Calls>,
    pub(super) phase: Option<Phase>,
}

/// An accept queue.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Queue {
    pub(super) pending: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) overflows: Option<f64>,
}

/// The calls to one host.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Calls {
    pub(super) requests: f64,
    pub(super) errors: f64,
    pub(super) in_flight: f64,
}

/// Reads a text that comes in pieces, which may end anywhere.
#[derive(Debug, Default)]
pub(super) struct Reader {
    totals: Totals,
    /// The beginning of a line whose end is in the next piece.
    begun: Vec<u8>,
}

impl Reader {
    /// Reads the next piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else {
            self.begun.extend_from_slice(piece);
            return;
        };
        let (lines, rest) = piece.split_at(end);
        let mut lines = lines.split(|byte| *byte == b'\n');
        if !self.begun.is_empty() {
            self.begun.extend_from_slice(lines.next().unwrap_or_default());
            let line = std::mem::take(&mut self.begun);
            self.totals.line(&line);
        }
        lines.for_each(|line| self.totals.line(line));
        self.begun.extend_from_slice(&rest[1..]);
    }

    /// Returns the sums of what was read.
    pub(super) fn finish(mut self) -> Totals {
        self.totals.line(&self.begun);
        self.totals
    }
}

impl Totals {
    fn line(&mut self, line: &[u8]) {
        // Most lines of a large text are none of these: they are told by their first letters.
        let ours =
            line.starts_with(b"http_") || line.starts_with(b"listener_") || line.starts_with(b"lifecycle_");
        if let Some(line) = ours.then_some(line).and_then(|line| str::from_utf8(line).ok())
            && let Some(line) = Line::read(line)
        {
            self.add(&line);
        }
    }

    fn add(&mut self, line: &Line<'_>) {
        let Line { name, labels, value } = *line;
        match name {
            names::REQUESTS => {
                self.requests += value;
                if let Some(code) = code(labels) {
                    *self.codes.entry(code).or_default() += value;
                }
            }
            names::DURATION_BUCKET => {
                let bound = labels.value_of(names::BOUND).and_then(|bound| bound.parse().ok());
                if let Some(bound) = bound.filter(|bound: &f64| *bound >= 0.0) {
                    // Zero has two spellings.
                    let bound = (bound + 0.0).to_bits();
                    if self.latency.len() < BOUNDS || self.latency.contains_key(&bound) {
                        *self.latency.entry(bound).or_default() += value;
                    }
                }
            }
            names::ACTIVE_REQUESTS => self.in_flight += value,
            names::CONCURRENCY_LIMIT => {
                let main = labels.value_of(names::LIMIT).as_deref() == Some("main");
                let (was_main, before) = self.concurrency_limit.unwrap_or((false, value));
                if main || !was_main {
                    let largest = if main == was_main {
                        before.max(value)
                    } else {
                        value
                    };
                    self.concurrency_limit = Some((main, largest));
                }
            }
            names::SHED_REQUESTS => self.shed += value,
            names::OPEN_CONNECTIONS => self.connections += value,
            names::CONNECTION_LIMIT => *self.connection_limit.get_or_insert(0.0) += value,
            names::BACKLOG_PENDING => self.queue(labels, |queue| *queue.pending.get_or_insert(0.0) += value),
            names::BACKLOG_LIMIT => self.queue(labels, |queue| *queue.limit.get_or_insert(0.0) += value),
            names::BACKLOG_OVERFLOWS => {
                self.queue(labels, |queue| *queue.overflows.get_or_insert(0.0) += value)
            }
            names::CLIENT_REQUESTS => self.calls(labels, |calls| calls.requests += value),
            names::CLIENT_ERRORS => self.calls(labels, |calls| calls.errors += value),
            names::CLIENT_ACTIVE_REQUESTS => self.calls(labels, |calls| calls.in_flight += value),
            names::PHASE if value > 0.0 => {
                let phase = labels
                    .value_of(names::PHASE_LABEL)
                    .and_then(|name| Phase::of_name(&name));
                // Of several processes the one that is least far serves.
                self.phase = self.phase.into_iter().chain(phase).min();
            }
            _ => {}
        }
    }

    fn queue(&mut self, labels: Labels<'_>, add: impl FnOnce(&mut Queue)) {
        row(&mut self.listeners, labels.value_of(names::LISTENER), add);
    }

    fn calls(&mut self, labels: Labels<'_>, add: impl FnOnce(&mut Calls)) {
        row(&mut self.calls, labels.value_of(names::HOST), add);
    }
}

/// Returns how the status of a response is called; `None` where there was no response.
fn code(labels: Labels<'_>) -> Option<&'static str> {
    let code = labels.value_of(names::STATUS).filter(|code| !code.is_empty())?;
    let known = CODES.into_iter().find(|known| *known == code);
    Some(known.unwrap_or(OTHER_CODES))
}

fn row<T: Default>(rows: &mut BTreeMap<String, T>, name: Option<Cow<'_, str>>, add: impl FnOnce(&mut T)) {
    let name = name.unwrap_or_default();
    if let Some(row) = rows.get_mut(&*name) {
        add(row);
    } else if rows.len() < ROWS {
        add(rows.entry(name.into_owned()).or_default());
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

    fn read(text: &str, piece: usize) -> Totals {
        let mut reader = Reader::default();
        text.as_bytes().chunks(piece).for_each(|piece| reader.feed(piece));
        reader.finish()
    }

    #[test]
    fn a_text_is_summed() {
        let totals = read(TEXT, usize::MAX);
        assert_eq!(totals.requests, 10.0);
        assert_eq!(totals.codes, BTreeMap::from([("200", 7.0), ("OTHERS", 1.0)]));
        let latency = [(0.5_f64.to_bits(), 3.0), (f64::INFINITY.to_bits(), 4.0)];
        assert_eq!(totals.latency, Buckets::from(latency));
        assert_eq!(totals.in_flight, 5.0);
        assert_eq!(totals.concurrency_limit, Some((true, 16.0)));
        assert_eq!((totals.connections, totals.connection_limit), (7.0, None));
        let queue = totals.listeners["127.0.0.1:1"];
        assert_eq!(
            (queue.pending, queue.limit, queue.overflows),
            (Some(2.0), None, Some(3.0))
        );
        let stock = totals.calls["stock"];
        assert_eq!((stock.requests, stock.errors, stock.in_flight), (4.0, 1.0, 0.0));
        assert_eq!(totals.phase, Some(Phase::Ready));
    }

    #[test]
    fn pieces_may_end_anywhere() {
        let whole = read(TEXT, usize::MAX);
        for piece in [1, 2, 7, 64, 1000] {
            assert_eq!(read(TEXT, piece), whole, "pieces of {piece}");
        }
        assert_eq!(read(TEXT.trim_end(), 10), whole);
    }

    #[test]
    fn rows_have_a_limit() {
        let text: String = (0..1000)
            .map(|host| format!("http_client_requests_total{{server_address=\"{host}\"}} 1\n"))
            .collect();
        assert_eq!(read(&text, 100).calls.len(), ROWS);
    }
}
