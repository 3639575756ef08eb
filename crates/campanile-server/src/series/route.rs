//! The series of one method and route, and of each of its statuses.

use std::{array, sync::OnceLock};

use campanile_http::{
    Outcome,
    in_flight::Label,
    method,
    series::{Lazy, Metric, OTHER},
};
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Label as MetricLabel};

use super::ServerSeries;
use crate::names;

/// Statuses of a route that have a place in its block; seen first, placed first.
const NEAR: usize = 3;

/// The series of one method and route.
///
/// What a request of the most common status touches stands first and together.
pub(crate) struct RouteSeries {
    active: Lazy<Gauge>,
    near: [OnceLock<StatusSeries>; NEAR],
    response_duration: Lazy<Histogram>,
    request_size: Lazy<Histogram>,
    response_size: Lazy<Histogram>,
    method: u8,
    pub(crate) label: Label,
    pub(crate) name: &'static str,
    /// Further statuses, by their number less 100.
    far: OnceLock<Box<[OnceLock<Box<StatusSeries>>]>>,
    headless: OnceLock<Box<Outcomes>>,
}

/// The series of one status of a route.
pub(crate) struct StatusSeries {
    status: u16,
    completed: Lazy<Counter>,
    duration: Lazy<Histogram>,
    others: OnceLock<Box<Outcomes>>,
}

type Outcomes = [Lazy<Counter>; Outcome::ALL.len()];

fn no_outcomes() -> Box<Outcomes> {
    Box::new(array::from_fn(|_| Lazy::new()))
}

impl RouteSeries {
    pub(super) fn new(method: u8, route: &str) -> Self {
        let label = Label::intern(route);
        Self {
            active: Lazy::new(),
            near: [const { OnceLock::new() }; NEAR],
            response_duration: Lazy::new(),
            request_size: Lazy::new(),
            response_size: Lazy::new(),
            method,
            label,
            name: label.name().unwrap_or(OTHER),
            far: OnceLock::new(),
            headless: OnceLock::new(),
        }
    }

    fn labels(&self) -> Vec<MetricLabel> {
        vec![
            MetricLabel::from_static_parts(names::METHOD, method::name(self.method)),
            MetricLabel::from_static_parts(names::ROUTE, self.name),
        ]
    }

    fn labels_with(&self, status: &StatusSeries) -> Vec<MetricLabel> {
        let mut labels = self.labels();
        labels.push(MetricLabel::new(names::STATUS, status.status.to_string()));
        labels
    }

    /// Returns the gauge of requests in flight.
    #[inline]
    pub(crate) fn active(&self, table: &ServerSeries) -> Option<&Gauge> {
        match self.active.resolved() {
            Some(gauge) => Some(gauge),
            None => self.resolve_active(table),
        }
    }

    #[cold]
    fn resolve_active(&self, table: &ServerSeries) -> Option<&Gauge> {
        self.active.get(table.source, |recorder| {
            table.gauge(recorder, names::ACTIVE, self.labels())
        })
    }

    /// Finds the series of a status.
    #[inline]
    pub(crate) fn status(&self, status: StatusCode) -> &StatusSeries {
        let status = status.as_u16();
        match self.near[0].get() {
            Some(series) if series.status == status => series,
            _ => self.other_status(status),
        }
    }

    #[inline(never)]
    fn other_status(&self, status: u16) -> &StatusSeries {
        for place in &self.near {
            let series = place.get_or_init(|| StatusSeries::new(status));
            if series.status == status {
                return series;
            }
        }
        self.far_status(status)
    }

    #[cold]
    fn far_status(&self, status: u16) -> &StatusSeries {
        let far = self
            .far
            .get_or_init(|| (100..1000).map(|_| OnceLock::new()).collect());
        far[usize::from(status) - 100].get_or_init(|| Box::new(StatusSeries::new(status)))
    }

    /// Records the time to the head of an answer.
    #[inline]
    pub(crate) fn record_duration(&self, table: &ServerSeries, status: &StatusSeries, seconds: f64) {
        let histogram = match status.duration.resolved() {
            Some(histogram) => Some(histogram),
            None => self.resolve_duration(table, status),
        };
        if let Some(histogram) = histogram {
            histogram.record(seconds);
        }
    }

    #[cold]
    fn resolve_duration<'a>(&self, table: &ServerSeries, status: &'a StatusSeries) -> Option<&'a Histogram> {
        status.duration.get(table.source, |recorder| {
            table.histogram(recorder, names::REQUEST_DURATION, self.labels_with(status))
        })
    }

    /// Counts the end of an exchange; `status` is nothing where there was no head.
    #[inline]
    pub(crate) fn count_end(&self, table: &ServerSeries, status: Option<&StatusSeries>, outcome: Outcome) {
        if let Some(status) = status
            && outcome == Outcome::Completed
            && let Some(counter) = status.completed.resolved()
        {
            counter.increment(1);
            return;
        }
        self.count_other_end(table, status, outcome);
    }

    #[inline(never)]
    fn count_other_end(&self, table: &ServerSeries, status: Option<&StatusSeries>, outcome: Outcome) {
        let place = match status {
            Some(status) if outcome == Outcome::Completed => &status.completed,
            Some(status) => &status.others.get_or_init(no_outcomes)[outcome.index()],
            None => &self.headless.get_or_init(no_outcomes)[outcome.index()],
        };
        let counter = place.get(table.source, |recorder| {
            let status = status.map(|status| status.status.to_string()).unwrap_or_default();
            let mut labels = self.labels();
            labels.push(MetricLabel::new(names::STATUS, status));
            labels.push(MetricLabel::from_static_parts(names::OUTCOME, outcome.as_str()));
            table.counter(recorder, names::REQUESTS, labels)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Records the time to the end of an exchange.
    #[inline]
    pub(crate) fn record_response_duration(&self, table: &ServerSeries, seconds: f64) {
        self.record(table, &self.response_duration, names::RESPONSE_DURATION, seconds);
    }

    /// Records the bytes of a request's body.
    #[inline]
    pub(crate) fn record_request_size(&self, table: &ServerSeries, bytes: u64) {
        self.record(table, &self.request_size, names::REQUEST_SIZE, bytes as f64);
    }

    /// Records the bytes of an answer's body.
    #[inline]
    pub(crate) fn record_response_size(&self, table: &ServerSeries, bytes: u64) {
        self.record(table, &self.response_size, names::RESPONSE_SIZE, bytes as f64);
    }

    #[inline]
    fn record(&self, table: &ServerSeries, place: &Lazy<Histogram>, metric: Metric, value: f64) {
        let histogram = place.get(table.source, |recorder| {
            table.histogram(recorder, metric, self.labels())
        });
        if let Some(histogram) = histogram {
            histogram.record(value);
        }
    }
}

impl StatusSeries {
    const fn new(status: u16) -> Self {
        Self {
            status,
            completed: Lazy::new(),
            duration: Lazy::new(),
            others: OnceLock::new(),
        }
    }
}
