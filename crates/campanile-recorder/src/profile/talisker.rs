//! talisker's table, for Prometheus and dotted statsd lines.
//!
//! One name serves both: a statsd name is the Prometheus name with `.` for `_` and without `_total`, followed by the values
//! of the labels in the order of the table.

use std::borrow::Cow;

use super::{Label, Row, SourceLabels};
use crate::source_names::{OTHER, UNKNOWN, client, label, server};

/// Milliseconds.
const BUCKETS: &[f64] = &[
    4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0,
];

const HOST: Label = Label::from_source("host", label::HOST).with_mapping(host);
const CALLED: Label = Label::from_source("view", label::VIEW).with_default(UNKNOWN);
const TYPE: Label = Label::from_source("type", label::ERROR_TYPE).with_mapping(error_type);
const CODE: Label = Label::computed("status", error_status);

const VIEW: Label = Label::computed("view", view);
const METHOD: Label = Label::from_source("method", label::METHOD);
const STATUS: Label = Label::computed("status", status);

pub(super) const TABLE: &[Row] = &[
    Row::counter(client::REQUESTS, "requests_count_total")
        .with_labels(&[HOST, CALLED])
        .with_help("Count of http calls via requests library"),
    Row::histogram(client::DURATION, "requests_latency")
        .with_labels(&[
            HOST,
            CALLED,
            Label::from_source("status", label::STATUS).with_default(UNKNOWN),
        ])
        .in_milliseconds()
        .with_buckets(BUCKETS)
        .with_help("Duration of http calls via requests library"),
    Row::counter(client::ERRORS, "requests_errors_total")
        .with_labels(&[HOST, TYPE, CALLED, CODE])
        .with_help("Count of errors in responses via requests library"),
    // Documented by talisker, but never counted in its code.
    Row::counter(client::TIMEOUTS, "requests_timeouts_total")
        .with_labels(&[HOST, CALLED])
        .with_help("Count of http calls that timed out"),
    Row::counter(server::REQUESTS, "wsgi_requests_total")
        .with_labels(&[VIEW, METHOD, STATUS])
        .with_help("Count of requests"),
    Row::counter(server::REQUESTS, "wsgi_errors_total")
        .with_labels(&[VIEW, METHOD, STATUS])
        // Three digits compare like numbers, and an empty status is less than all of them.
        .with_condition(|source| !timed_out(source) && source.value(label::STATUS) >= "500")
        .with_help("Count of requests with an error response"),
    Row::counter(server::REQUESTS, "wsgi_timeouts_total")
        .with_labels(&[VIEW, METHOD])
        .with_condition(timed_out)
        .with_help("Count of requests that timed out"),
    Row::histogram(server::RESPONSE_DURATION, "wsgi_latency")
        .with_labels(&[VIEW, METHOD, STATUS])
        .in_milliseconds()
        .with_buckets(BUCKETS)
        .with_help("Duration of requests, to the last byte of the response"),
];

/// Spells a host as a part of a dotted name: lower case, without port.
fn host(host: &str) -> Cow<'_, str> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        // More than one colon is an IPv6 address without brackets, and so without a port.
        None => match host.split_once(':') {
            Some((name, port)) if !port.contains(':') => name,
            _ => host,
        },
    };
    name.to_ascii_lowercase().replace(['.', ':'], "-").into()
}

fn error_type(kind: &str) -> Cow<'_, str> {
    match kind {
        "http" => "http",
        _ => "connection",
    }
    .into()
}

/// A timeout has no error number in talisker.
fn error_status(source: SourceLabels<'_>) -> Cow<'_, str> {
    match (source.value(label::ERROR_TYPE), source.value(label::ERROR_CODE)) {
        ("timeout", _) | (_, "") => UNKNOWN,
        (_, code) => code,
    }
    .into()
}

fn view(source: SourceLabels<'_>) -> Cow<'_, str> {
    match source.value(label::ROUTE) {
        "" | OTHER => UNKNOWN,
        route => route,
    }
    .into()
}

fn status(source: SourceLabels<'_>) -> Cow<'_, str> {
    match source.value(label::STATUS) {
        "" if timed_out(source) => "timeout",
        "" => UNKNOWN,
        status => status,
    }
    .into()
}

fn timed_out(source: SourceLabels<'_>) -> bool {
    source.value(label::OUTCOME) == "timed_out"
}
