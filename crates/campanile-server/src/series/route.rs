//! The series of one method and route, and of each of its statuses.

use std::sync::OnceLock;

use campanile_http::{
    Outcome,
    in_flight::Label,
    method,
    series::{Lazy, Metric, OTHER},
};
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Label as MetricLabel};

use super::{
    ServerSeries,
    at_end::AtEnd,
    status::{Ends, MoreStatuses, Owner, StatusSeries},
};
use crate::names;

/// The series of one method and route.
///
/// What each request of the first status touches fits, with the key that the table keeps beside it, into two cache
/// lines: where the routes are many, no more of them is near.
pub(crate) struct RouteSeries {
    active: Lazy<Gauge>,
    first: StatusSeries,
    first_status: Owner,
    pub(crate) label: Label,
    more: Box<More>,
}

const _: () = assert!(size_of::<RouteSeries>() <= 88);

/// What fewer requests touch, or those that record every family.
struct More {
    at_end: AtEnd,
    method: u8,
    name: &'static str,
    statuses: MoreStatuses,
    /// Counters of the ends that are seldom.
    ends: OnceLock<Box<Ends<Lazy<Counter>>>>,
}

impl RouteSeries {
    pub(super) fn new(method: u8, route: &str) -> Self {
        let label = Label::intern(route);
        Self {
            active: Lazy::new(),
            first: StatusSeries::default(),
            first_status: Owner::default(),
            label,
            more: Box::new(More {
                at_end: AtEnd::default(),
                method,
                name: label.name().unwrap_or(OTHER),
                statuses: MoreStatuses::default(),
                ends: OnceLock::new(),
            }),
        }
    }

    fn labels(&self) -> Vec<MetricLabel> {
        vec![
            MetricLabel::from_static_parts(names::METHOD, method::name(self.more.method)),
            MetricLabel::from_static_parts(names::ROUTE, self.more.name),
        ]
    }

    fn labels_with(&self, status: u16) -> Vec<MetricLabel> {
        let status = if status == 0 {
            String::new()
        } else {
            status.to_string()
        };
        let mut labels = self.labels();
        labels.push(MetricLabel::new(names::STATUS, status));
        labels
    }

    fn labels_of_end(&self, status: u16, outcome: Outcome) -> Vec<MetricLabel> {
        let mut labels = self.labels_with(status);
        labels.push(MetricLabel::from_static_parts(names::OUTCOME, outcome.as_str()));
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
        if self.first_status.is(status) {
            &self.first
        } else {
            self.other_status(status)
        }
    }

    #[inline(never)]
    fn other_status(&self, status: u16) -> &StatusSeries {
        if self.first_status.is_or_becomes(status) {
            &self.first
        } else {
            self.more.statuses.get(status)
        }
    }

    /// Records the time to the head of an answer.
    #[inline]
    pub(crate) fn record_duration(
        &self,
        table: &ServerSeries,
        series: &StatusSeries,
        status: StatusCode,
        seconds: f64,
    ) {
        let histogram = match series.duration.resolved() {
            Some(histogram) => Some(histogram),
            None => self.resolve_duration(table, series, status),
        };
        if let Some(histogram) = histogram {
            histogram.record(seconds);
        }
    }

    #[cold]
    fn resolve_duration<'a>(
        &self,
        table: &ServerSeries,
        series: &'a StatusSeries,
        status: StatusCode,
    ) -> Option<&'a Histogram> {
        series.duration.get(table.source, |recorder| {
            let labels = self.labels_with(status.as_u16());
            table.histogram(recorder, names::REQUEST_DURATION, labels)
        })
    }

    /// Counts the end of an exchange, by the series of its status and the status itself.
    #[inline]
    pub(crate) fn count_end(
        &self,
        table: &ServerSeries,
        head: Option<(&StatusSeries, u16)>,
        outcome: Outcome,
    ) {
        if let Some((series, _)) = head
            && outcome == Outcome::Completed
            && let Some(counter) = series.completed.resolved()
        {
            counter.increment(1);
            return;
        }
        self.count_other_end(table, head, outcome);
    }

    #[inline(never)]
    fn count_other_end(&self, table: &ServerSeries, head: Option<(&StatusSeries, u16)>, outcome: Outcome) {
        let status = head.map_or(0, |(_, status)| status);
        let place = match head {
            Some((series, _)) if outcome == Outcome::Completed => &series.completed,
            _ => Ends::get(&self.more.ends, status, outcome),
        };
        let counter: Option<&Counter> = place.get(table.source, |recorder| {
            table.counter(recorder, names::REQUESTS, self.labels_of_end(status, outcome))
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Records the time to the end of an exchange.
    #[inline]
    pub(crate) fn record_response_duration(&self, table: &ServerSeries, seconds: f64) {
        let place = &self.more.at_end.usual.response_duration;
        self.record(table, place, names::RESPONSE_DURATION, seconds);
    }

    /// Records the bytes of a request's body.
    #[inline]
    pub(crate) fn record_request_size(&self, table: &ServerSeries, bytes: u64) {
        let place = &self.more.at_end.usual.request_size;
        self.record(table, place, names::REQUEST_SIZE, bytes as f64);
    }

    /// Records the bytes of an answer's body.
    #[inline]
    pub(crate) fn record_response_size(&self, table: &ServerSeries, bytes: u64) {
        let place = &self.more.at_end.usual.response_size;
        self.record(table, place, names::RESPONSE_SIZE, bytes as f64);
    }

    /// Records what there is of time and bytes of both bodies with status, zero without a head, and outcome as labels.
    pub(crate) fn record_labelled(
        &self,
        table: &ServerSeries,
        (status, outcome): (u16, Outcome),
        seconds: Option<f64>,
        bytes: [Option<u64>; 2],
    ) {
        let series = self.more.at_end.labelled(status, outcome);
        series.record(table, seconds, bytes, || self.labels_of_end(status, outcome));
    }

    #[inline]
    fn record(&self, table: &ServerSeries, place: &Lazy<Histogram>, metric: Metric, value: f64) {
        let histogram = match place.resolved() {
            Some(histogram) => Some(histogram),
            None => self.resolve(table, place, metric),
        };
        if let Some(histogram) = histogram {
            histogram.record(value);
        }
    }

    #[cold]
    fn resolve<'a>(
        &self,
        table: &ServerSeries,
        place: &'a Lazy<Histogram>,
        metric: Metric,
    ) -> Option<&'a Histogram> {
        place.get(table.source, |recorder| {
            table.histogram(recorder, metric, self.labels())
        })
    }
}
