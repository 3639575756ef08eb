//! The sample of one second, as sent to the live page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::totals::{CallTotals, MetricTotals};
use crate::{ServicePhase, ServiceStatus};

const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// Two consecutive readings of the metrics. Either is `None` if there was no text.
pub(super) struct SampleInput<'a> {
    pub(super) before: Option<&'a MetricTotals>,
    pub(super) now: Option<&'a MetricTotals>,
    pub(super) elapsed: Duration,
}

impl SampleInput<'_> {
    /// Returns the sample, with a notice for the reader of the page. Unknown values are null; rates need two readings. The phase defaults to ready.
    pub(super) fn to_json(&self, status: Option<ServiceStatus>, notice: Option<&str>) -> Value {
        let gauge = |read: fn(&MetricTotals) -> Option<f64>| self.now.and_then(read).map(rounded);
        let phase = status.map(ServiceStatus::phase).or_else(|| self.now?.phase);
        let mut sample = json!({
            "time": SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            "requests": self.rate(|totals| totals.requests),
            "codes": self.codes(),
            "latency": self.latency(),
            "in_flight": gauge(|totals| Some(totals.in_flight)),
            "concurrency_limit": gauge(|totals| Some(totals.in_flight_limit?.value)),
            "shed": self.rate(|totals| totals.shed),
            "connections": gauge(|totals| Some(totals.connections)),
            "connection_limit": gauge(|totals| totals.connection_limit),
            "listeners": self.listeners(),
            "calls": self.calls(),
            "phase": phase.unwrap_or(ServicePhase::Ready).as_str(),
            "seconds_left": status.and_then(ServiceStatus::seconds_left),
        });
        if let Some(notice) = notice {
            sample["notice"] = notice.into();
        }
        sample
    }

    /// Returns the rate of a counter. A counter that fell was reset to zero.
    fn rate(&self, read: impl Fn(&MetricTotals) -> f64) -> Option<f64> {
        let (before, now) = (read(self.before?), read(self.now?));
        let increase = if now < before { now } else { now - before };
        Some(rounded(increase / self.elapsed.as_secs_f64().max(1e-3)))
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
        let observed = self.now?.latency.increase_since(&self.before?.latency);
        let to_micros = |seconds: f64| (seconds * 1e6).round() / 1e6;
        let quantiles = QUANTILES.iter().map(|quantile| observed.quantile(*quantile));
        quantiles.map(|quantile| quantile.map(to_micros)).collect()
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

    /// Omits hosts without activity: there may be hundreds.
    fn calls(&self) -> Vec<Value> {
        let hosts = self.now.into_iter().flat_map(|now| &now.calls);
        hosts
            .filter_map(|(host, calls)| {
                let rate = |read: fn(&CallTotals) -> f64| {
                    self.rate(|totals| totals.calls.get(host).map_or(0.0, read)).unwrap_or(0.0)
                };
                let requests = rate(|calls| calls.requests);
                let errors = rate(|calls| calls.errors);
                (requests > 0.0 || errors > 0.0 || calls.in_flight > 0.0).then(|| {
                    json!({ "host": host, "requests": requests, "errors": errors, "in_flight": calls.in_flight })
                })
            })
            .collect()
    }
}

/// Rounds to three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
