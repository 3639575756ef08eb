//! One second, as the page is told of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::quantiles::{growth, quantile};
use super::totals::{Calls, Totals};
use crate::{Phase, Status};

const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// What was between two looks at the metrics.
pub(super) struct Between<'a> {
    pub(super) before: Option<&'a Totals>,
    pub(super) now: Option<&'a Totals>,
    pub(super) elapsed: Duration,
}

impl Between<'_> {
    /// Spells it. Without two looks there are no rates; what is not known is null. Who does not say how far it is, is ready.
    pub(super) fn to_json(&self, status: Option<Status>) -> Value {
        let gauge = |read: fn(&Totals) -> Option<f64>| self.now.and_then(read).map(rounded);
        let phase = status.map(Status::phase).or_else(|| self.now?.phase);
        json!({
            "time": SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            "requests": self.rate(|totals| totals.requests),
            "codes": self.codes(),
            "latency": self.latency(),
            "in_flight": gauge(|totals| Some(totals.in_flight)),
            "concurrency_limit": gauge(|totals| Some(totals.concurrency_limit?.1)),
            "shed": self.rate(|totals| totals.shed),
            "connections": gauge(|totals| Some(totals.connections)),
            "connection_limit": gauge(|totals| totals.connection_limit),
            "listeners": self.listeners(),
            "calls": self.calls(),
            "phase": phase.unwrap_or(Phase::Ready).as_str(),
            "seconds_left": status.and_then(Status::seconds_left),
        })
    }

    /// Returns how fast a counter rose. One that fell has begun anew, from zero.
    fn rate(&self, read: impl Fn(&Totals) -> f64) -> Option<f64> {
        let (before, now) = (read(self.before?), read(self.now?));
        let rise = if now < before { now } else { now - before };
        Some(rounded(rise / self.elapsed.as_secs_f64().max(1e-3)))
    }

    fn codes(&self) -> Map<String, Value> {
        let codes = self.now.into_iter().flat_map(|now| now.codes.keys());
        codes
            .filter_map(|code| {
                let rate = self.rate(|totals| totals.codes.get(code).copied().unwrap_or(0.0));
                let rate = rate.filter(|rate| *rate > 0.0)?;
                Some(((*code).to_owned(), json!(rate)))
            })
            .collect()
    }

    fn latency(&self) -> Option<Vec<f64>> {
        let grown = growth(&self.before?.latency, &self.now?.latency);
        let micros = |seconds: f64| (seconds * 1e6).round() / 1e6;
        let quantiles = QUANTILES.iter().map(|wanted| quantile(&grown, *wanted));
        quantiles.map(|found| found.map(micros)).collect()
    }

    fn listeners(&self) -> Vec<Value> {
        let listeners = self.now.into_iter().flat_map(|now| &now.listeners);
        listeners
            .map(|(listener, queue)| {
                json!({
                    "listener": listener,
                    "pending": queue.pending,
                    "limit": queue.limit,
                    "overflows": queue.overflows,
                })
            })
            .collect()
    }

    /// Hosts with which nothing happens are left out: there may be hundreds.
    fn calls(&self) -> Vec<Value> {
        let hosts = self.now.into_iter().flat_map(|now| &now.calls);
        hosts
            .filter_map(|(host, calls)| {
                let of_host = |read: fn(&Calls) -> f64| {
                    self.rate(|totals| totals.calls.get(host).map_or(0.0, read)).unwrap_or(0.0)
                };
                let requests = of_host(|calls| calls.requests);
                let errors = of_host(|calls| calls.errors);
                (requests > 0.0 || errors > 0.0 || calls.in_flight > 0.0).then(|| {
                    json!({ "host": host, "requests": requests, "errors": errors, "in_flight": calls.in_flight })
                })
            })
            .collect()
    }
}

/// Three digits are more than anybody sees.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
