//! The series of one method and route, and of each of its statuses.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use campanile_core::{
    Outcome,
    in_flight::Label,
    method,
    series::{Lazy, OTHER},
};
use metrics::{Counter, Gauge, Histogram, Label as MetricLabel};

use super::{
    ServerSeries,
    at_end::AtEnd,
    status::{Ends, StatusSeries, Statuses},
};
use crate::names;

/// The series of one method and route.
///
/// What most requests touch is one cache line, and another where they have a seat in the table of requests in flight:
/// where the routes are many, no more of them is near.
#[repr(C)]
pub(crate) struct RouteSeries {
    usual: OnceLock<Usual>,
    /// How often its name was pinned in the table.
    pins: AtomicU8,
    pub(crate) label: Label,
    pub(super) more: Box<More>,
}

/// The handles of a completed request of one status: of the first below 400 that was, as most are.
struct Usual {
    active: Gauge,
    completed: Counter,
    duration: Histogram,
    status: u16,
}

/// What fewer requests touch, or those that record every family.
pub(super) struct More {
    active: Lazy<Gauge>,
    pub(super) at_end: AtEnd,
    method: u8,
    name: &'static str,
    statuses: Statuses,
    /// Counters of the ends that are seldom.
    ends: OnceLock<Box<Ends<Lazy<Counter>>>>,
}

impl RouteSeries {
    pub(super) fn new(method: u8, route: &str) -> Self {
        let label = Label::intern(route);
        Self {
            usual: OnceLock::new(),
            pins: AtomicU8::new(0),
            label,
            more: Box::new(More {
                active: Lazy::new(),
                at_end: AtEnd::default(),
                method,
                name: label.name().unwrap_or(OTHER),
                statuses: Statuses::default(),
                ends: OnceLock::new(),
            }),
        }
    }

    /// Tells whether the name may be pinned where it stands now, and counts that it is: a few places of each, so that
    /// a text that was made for one request alone does not keep out those that stay.
    pub(super) fn may_be_pinned(&self) -> bool {
        const PLACES: u8 = 4;
        // Relaxed: it is about how often, not about what. MethodClass first, for it stays as it is then.
        self.pins.load(Ordering::Relaxed) < PLACES && self.pins.fetch_add(1, Ordering::Relaxed) < PLACES
    }

    pub(super) fn labels(&self) -> Vec<MetricLabel> {
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

    pub(super) fn labels_of_end(&self, status: u16, outcome: Outcome) -> Vec<MetricLabel> {
        let mut labels = self.labels_with(status);
        labels.push(MetricLabel::from_static_parts(names::OUTCOME, outcome.as_str()));
        labels
    }

    /// Returns the gauge of requests in flight.
    #[inline]
    pub(crate) fn active(&self, table: &ServerSeries) -> Option<&Gauge> {
        match self.usual.get() {
            Some(usual) => Some(&usual.active),
            None => self.resolve_active(table),
        }
    }

    #[inline(never)]
    fn resolve_active(&self, table: &ServerSeries) -> Option<&Gauge> {
        self.more.active.get(table.source, |recorder| {
            table.gauge(recorder, names::ACTIVE, self.labels())
        })
    }

    #[inline]
    fn usual(&self, status: u16) -> Option<&Usual> {
        self.usual.get().filter(|usual| usual.status == status)
    }

    /// Records the time to the head of an answer.
    #[inline]
    pub(crate) fn record_duration(&self, table: &ServerSeries, status: u16, seconds: f64) {
        match self.usual(status) {
            Some(usual) => usual.duration.record(seconds),
            None => self.record_other_duration(table, status, seconds),
        }
    }

    #[inline(never)]
    fn record_other_duration(&self, table: &ServerSeries, status: u16, seconds: f64) {
        let place = &self.more.statuses.get(status).duration;
        let histogram = place.get(table.source, |recorder| {
            table.histogram(recorder, names::REQUEST_DURATION, self.labels_with(status))
        });
        if let Some(histogram) = histogram {
            histogram.record(seconds);
        }
    }

    /// Counts the end of an exchange; its status is zero without a head.
    #[inline]
    pub(crate) fn count_end(&self, table: &ServerSeries, status: u16, outcome: Outcome) {
        if outcome == Outcome::Completed
            && let Some(usual) = self.usual(status)
        {
            usual.completed.increment(1);
            return;
        }
        self.count_other_end(table, status, outcome);
    }

    #[inline(never)]
    fn count_other_end(&self, table: &ServerSeries, status: u16, outcome: Outcome) {
        let completed =
            (status != 0 && outcome == Outcome::Completed).then(|| self.more.statuses.get(status));
        let place = match completed {
            Some(series) => &series.completed,
            None => Ends::get(&self.more.ends, status, outcome),
        };
        let counter: Option<&Counter> = place.get(table.source, |recorder| {
            table.counter(recorder, names::REQUESTS, self.labels_of_end(status, outcome))
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
        if let (Some(series), None) = (completed, self.usual.get()) {
            self.note_usual(status, series);
        }
    }

    /// Takes the handles of the first completed request for those of most, once all of them are there. Not of one that
    /// was refused: a route that a stranger asks first for what is not there would keep to the longer way.
    fn note_usual(&self, status: u16, series: &StatusSeries) {
        if status >= 400 {
            return;
        }
        if let (Some(active), Some(completed), Some(duration)) = (
            self.more.active.resolved(),
            series.completed.resolved(),
            series.duration.resolved(),
        ) {
            // Another may have been quicker.
            let _ = self.usual.set(Usual {
                active: active.clone(),
                completed: completed.clone(),
                duration: duration.clone(),
                status,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_most_requests_touch_is_one_cache_line() {
        assert_eq!(size_of::<OnceLock<Usual>>(), 64);
    }
}
