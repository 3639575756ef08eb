//! The series of one method and route.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use campanile_core::{Outcome, in_flight, method};
use campanile_metrics::{Descriptor, LazyHandle, OTHER};
use metrics::{Counter, Gauge, Histogram, Label};

use super::{InboundSeries, keyed_list::KeyedList};
use crate::names;

/// The series of one method and route.
///
/// The fast path touches one cache line, and a second one for requests in the table of requests in flight: with many
/// routes no further line is in a near cache.
#[repr(C)]
pub(crate) struct RouteSeries {
    fast: OnceLock<FastHandles>,
    /// How often the name was put into the table's pointer index.
    indexed: AtomicU8,
    pub(crate) label: in_flight::InternedName,
    slow: Box<SlowHandles>,
}

/// The handles of completed requests with one status: the first below 400, which is what most requests have.
struct FastHandles {
    active: Gauge,
    completed: Counter,
    duration: Histogram,
    response: ResponseLabels,
}

/// The handles of every other combination of labels, and of the remaining families.
struct SlowHandles {
    method: u8,
    name: &'static str,
    active: LazyHandle<Gauge>,
    durations: KeyedList<ResponseLabels, LazyHandle<Histogram>>,
    ends: KeyedList<EndLabels, LazyHandle<Counter>>,
    end: EndHandles,
    end_by_status: KeyedList<EndLabels, EndHandles>,
}

/// What is recorded at the end besides the count.
#[derive(Default)]
struct EndHandles {
    response_duration: LazyHandle<Histogram>,
    request_size: LazyHandle<Histogram>,
    response_size: LazyHandle<Histogram>,
}

/// The labels of `http_server_request_duration_seconds` besides method and route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseLabels {
    /// The status of the response head; 0 without one.
    pub(crate) status: u16,
}

/// The labels of the end of an exchange besides method and route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndLabels {
    /// The status of the response head; 0 without one.
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
}

impl ResponseLabels {
    fn append_to(self, labels: &mut Vec<Label>) {
        labels.push(status_label(self.status));
    }
}

impl EndLabels {
    fn append_to(self, labels: &mut Vec<Label>) {
        labels.push(status_label(self.status));
        labels.push(Label::from_static_parts(names::OUTCOME, self.outcome.as_str()));
    }
}

fn status_label(status: u16) -> Label {
    let value = if status == 0 {
        String::new()
    } else {
        status.to_string()
    };
    Label::new(names::STATUS, value)
}

impl RouteSeries {
    pub(super) fn new(method: u8, route: &str) -> Self {
        let label = in_flight::InternedName::new(route);
        Self {
            fast: OnceLock::new(),
            indexed: AtomicU8::new(0),
            label,
            slow: Box::new(SlowHandles {
                method,
                name: label.as_str().unwrap_or(OTHER),
                active: LazyHandle::new(),
                durations: KeyedList::default(),
                ends: KeyedList::default(),
                end: EndHandles::default(),
                end_by_status: KeyedList::default(),
            }),
        }
    }

    /// Returns whether the name may be indexed by its present address, and counts that it is: a few addresses for each
    /// series, so that text made for one request alone does not keep out text that is static.
    pub(super) fn may_be_indexed(&self) -> bool {
        const ADDRESSES: u8 = 4;
        // Relaxed: the number bounds how often, and publishes nothing.
        self.indexed.load(Ordering::Relaxed) < ADDRESSES
            && self.indexed.fetch_add(1, Ordering::Relaxed) < ADDRESSES
    }

    fn labels(&self) -> Vec<Label> {
        vec![
            Label::from_static_parts(names::METHOD, method::name(self.slow.method)),
            Label::from_static_parts(names::ROUTE, self.slow.name),
        ]
    }

    fn response_labels(&self, response: ResponseLabels) -> Vec<Label> {
        let mut labels = self.labels();
        response.append_to(&mut labels);
        labels
    }

    fn end_labels(&self, end: EndLabels) -> Vec<Label> {
        let mut labels = self.labels();
        end.append_to(&mut labels);
        labels
    }

    /// Returns the gauge of requests in flight.
    #[inline]
    pub(crate) fn active(&self, table: &InboundSeries) -> Option<&Gauge> {
        match self.fast.get() {
            Some(fast) => Some(&fast.active),
            None => self.active_slow(table),
        }
    }

    #[inline(never)]
    fn active_slow(&self, table: &InboundSeries) -> Option<&Gauge> {
        self.slow.active.get(table.recorder, |recorder| {
            names::ACTIVE.register(recorder, self.labels())
        })
    }

    #[inline]
    fn fast(&self, response: ResponseLabels) -> Option<&FastHandles> {
        self.fast.get().filter(|fast| fast.response == response)
    }

    /// Records the seconds to the response head.
    #[inline]
    pub(crate) fn record_duration(&self, table: &InboundSeries, labels: ResponseLabels, seconds: f64) {
        match self.fast(labels) {
            Some(fast) => fast.duration.record(seconds),
            None => self.record_duration_slow(table, labels, seconds),
        }
    }

    #[inline(never)]
    fn record_duration_slow(&self, table: &InboundSeries, labels: ResponseLabels, seconds: f64) {
        let handle = self.slow.durations.get(labels);
        record(table, handle, &names::REQUEST_DURATION, seconds, || {
            self.response_labels(labels)
        });
    }

    /// Counts the end of an exchange.
    #[inline]
    pub(crate) fn count_end(&self, table: &InboundSeries, labels: EndLabels) {
        if labels.outcome == Outcome::Completed
            && let Some(fast) = self
                .fast
                .get()
                .filter(|fast| fast.response.status == labels.status)
        {
            fast.completed.increment(1);
            return;
        }
        self.count_end_slow(table, labels);
    }

    #[inline(never)]
    fn count_end_slow(&self, table: &InboundSeries, labels: EndLabels) {
        let handle = self.slow.ends.get(labels);
        let counter: Option<&Counter> = handle.get(table.recorder, |recorder| {
            names::REQUESTS.register(recorder, self.end_labels(labels))
        });
        let Some(counter) = counter else { return };
        counter.increment(1);
        if labels.outcome == Outcome::Completed && self.fast.get().is_none() {
            self.note_fast_handles(labels.status, counter);
        }
    }

    /// Takes the handles of the first completed request for the fast path. Not of one that was refused: a route whose
    /// first client requests what is not there would keep to the slow path.
    fn note_fast_handles(&self, status: u16, completed: &Counter) {
        if !(1..400).contains(&status) {
            return;
        }
        let Some(response) = self.slow.durations.first(|key| key.status == status) else {
            return;
        };
        let duration = self.slow.durations.get(response);
        if let (Some(active), Some(duration)) = (self.slow.active.resolved(), duration.resolved()) {
            // Another thread may have been first.
            let _ = self.fast.set(FastHandles {
                active: active.clone(),
                completed: completed.clone(),
                duration: duration.clone(),
                response,
            });
        }
    }

    /// Records the seconds to the end of an exchange.
    #[inline]
    pub(crate) fn record_response_duration(&self, table: &InboundSeries, seconds: f64) {
        let handle = &self.slow.end.response_duration;
        self.record_end(table, handle, &names::RESPONSE_DURATION, seconds);
    }

    /// Records the bytes of a request body.
    #[inline]
    pub(crate) fn record_request_size(&self, table: &InboundSeries, bytes: u64) {
        self.record_end(
            table,
            &self.slow.end.request_size,
            &names::REQUEST_SIZE,
            float(bytes),
        );
    }

    /// Records the bytes of a response body.
    #[inline]
    pub(crate) fn record_response_size(&self, table: &InboundSeries, bytes: u64) {
        self.record_end(
            table,
            &self.slow.end.response_size,
            &names::RESPONSE_SIZE,
            float(bytes),
        );
    }

    #[inline]
    fn record_end(
        &self,
        table: &InboundSeries,
        handle: &LazyHandle<Histogram>,
        family: &'static Descriptor,
        value: f64,
    ) {
        match handle.resolved() {
            Some(histogram) => histogram.record(value),
            None => record(table, handle, family, value, || self.labels()),
        }
    }

    /// Records seconds and the bytes of both bodies, where given, with status and outcome as labels.
    pub(crate) fn record_end_by_status(
        &self,
        table: &InboundSeries,
        labels: EndLabels,
        seconds: Option<f64>,
        request_bytes: Option<u64>,
        response_bytes: Option<u64>,
    ) {
        let handles = self.slow.end_by_status.get(labels);
        for (handle, family, value) in [
            (&handles.response_duration, &names::RESPONSE_DURATION, seconds),
            (
                &handles.request_size,
                &names::REQUEST_SIZE,
                request_bytes.map(float),
            ),
            (
                &handles.response_size,
                &names::RESPONSE_SIZE,
                response_bytes.map(float),
            ),
        ] {
            if let Some(value) = value {
                record(table, handle, family, value, || self.end_labels(labels));
            }
        }
    }
}

#[cold]
fn record(
    table: &InboundSeries,
    handle: &LazyHandle<Histogram>,
    family: &Descriptor,
    value: f64,
    labels: impl FnOnce() -> Vec<Label> + Send,
) {
    let histogram = handle.get(table.recorder, |recorder| family.register(recorder, labels()));
    if let Some(histogram) = histogram {
        histogram.record(value);
    }
}

/// Converts by way of a signed number, which is one instruction; no body is that long.
#[inline]
fn float(bytes: u64) -> f64 {
    bytes.cast_signed() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn fast_handles_fit_one_cache_line() {
        assert_eq!(size_of::<OnceLock<FastHandles>>(), 64);
    }
}
