//! baseplate's tables: its HTTP metrics, and the statsd gauges of its runtime monitors.
//!
//! Mistakes of baseplate.py that are not copied: responses to calls with a status of 400 or more have an empty
//! `http_success`, sizes without a content length are missing, and requests leave the gauge before their body has ended.

use std::borrow::Cow;

use metrics::Unit;

use super::{Label, Row, SourceLabels};
use crate::source_names::{OTHER, client, label, runtime, server};

/// Seconds.
const LATENCIES: &[f64] = &[
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 30.0,
];

/// Bytes: 8, doubled 19 times.
const SIZES: &[f64] = &{
    let mut bounds = [8.0; 20];
    let mut index = 1;
    while index < bounds.len() {
        bounds[index] = bounds[index - 1] * 2.0;
        index += 1;
    }
    bounds
};

const ENDPOINT: Label = Label::from_source("http_endpoint", label::ROUTE).with_mapping(endpoint);
const SUCCESS: Label = Label::computed("http_success", success);
const CODE: Label = Label::from_source("http_response_code", label::STATUS);
const CLIENT: Label = Label::from_source("http_client_name", label::HOST);

/// The rows of the HTTP metrics, with the method mapped by `$case`.
macro_rules! rows {
    ($case:expr) => {{
        const METHOD: Label = Label::from_source("http_method", label::METHOD).with_mapping($case);
        [
            Row::histogram(server::REQUEST_DURATION, "http_server_latency_seconds")
                .with_labels(&[METHOD, ENDPOINT, SUCCESS])
                .with_buckets(LATENCIES)
                .with_help("Time from the request to the response head"),
            Row::counter(server::REQUESTS, server::REQUESTS)
                .with_labels(&[METHOD, ENDPOINT, SUCCESS, CODE])
                .with_help("Requests that ended"),
            // Methods and routes map to distinct values in either spelling.
            Row::gauge(server::ACTIVE, server::ACTIVE)
                .with_labels(&[METHOD, ENDPOINT])
                .with_one_to_one(true)
                .with_help("Requests in flight"),
            Row::histogram(server::REQUEST_SIZE, "http_server_request_size_bytes")
                .with_labels(&[METHOD, ENDPOINT, SUCCESS])
                .with_unit(Unit::Bytes)
                .with_buckets(SIZES)
                .with_help("Size of the request body"),
            Row::histogram(server::RESPONSE_SIZE, "http_server_response_size_bytes")
                .with_labels(&[METHOD, ENDPOINT, SUCCESS])
                .with_unit(Unit::Bytes)
                .with_buckets(SIZES)
                .with_help("Size of the response body"),
            Row::histogram(client::DURATION, "http_client_latency_seconds")
                .with_labels(&[METHOD, CLIENT, SUCCESS])
                .with_buckets(LATENCIES)
                .with_help("Time from the call to the response head"),
            Row::counter(client::REQUESTS, client::REQUESTS)
                .with_labels(&[METHOD, CLIENT, SUCCESS, CODE])
                .with_help("Calls that ended"),
            Row::gauge(client::ACTIVE, client::ACTIVE)
                .with_labels(&[METHOD, CLIENT])
                .with_one_to_one(true)
                .with_help("Calls in flight"),
        ]
    }};
}

/// The case of the method in `http_method`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "letters have no third case")]
pub enum MethodCase {
    /// `get`, as in baseplate.py.
    #[default]
    Lower,
    /// `GET`, as in baseplate.go.
    Upper,
}

impl MethodCase {
    pub(super) const fn table(self) -> &'static [Row] {
        match self {
            Self::Lower => LOWER,
            Self::Upper => UPPER,
        }
    }
}

const LOWER: &[Row] = &rows!(|method| method.to_ascii_lowercase().into());
const UPPER: &[Row] = &rows!(|method| method.to_ascii_uppercase().into());

/// The metrics that the monitors send to statsd, without the namespace.
pub(super) const STATSD: &[Row] = &[
    Row::gauge(server::OPEN_CONNECTIONS, "runtime.open_connections").with_labels(TAGS),
    Row::gauge(server::ACTIVE, "runtime.active_requests").with_labels(TAGS),
    Row::histogram(runtime::BLOCKED, "runtime.hub_blocked")
        .with_labels(TAGS)
        .in_milliseconds(),
    Row::gauge(client::OPEN_CONNECTIONS, "runtime.pool.open_connections").with_labels(POOL_TAGS),
    // Over HTTP/1 each call in flight holds a connection.
    Row::gauge(client::ACTIVE, "runtime.pool.in_use").with_labels(POOL_TAGS),
];

const HOST_NAME: Label = Label::host_name("hostname");
const PID: Label = Label::process_id("PID");
const TAGS: &[Label] = &[HOST_NAME, PID];
const POOL_TAGS: &[Label] = &[HOST_NAME, PID, Label::from_source("client", label::HOST)];

fn endpoint(route: &str) -> Cow<'_, str> {
    match route {
        OTHER => "404",
        route => route,
    }
    .into()
}

/// Returns whether a request succeeded: a status of 200 to 399, and no failure on this side. Empty without a status.
///
/// A client that disconnects in the body is no failure, as in latencies, which have no outcome.
fn success(source: SourceLabels<'_>) -> Cow<'_, str> {
    let Some(status) = source.label(label::STATUS) else {
        return "".into();
    };
    let is_success = status
        .parse()
        .is_ok_and(|status| (200..400_u16).contains(&status));
    let has_ended = matches!(source.value(label::OUTCOME), "" | "completed" | "aborted");
    let has_failed = !source.value(label::ERROR_TYPE).is_empty();
    if is_success && has_ended && !has_failed {
        "true"
    } else {
        "false"
    }
    .into()
}
