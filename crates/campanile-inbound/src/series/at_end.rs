//! What is recorded at the end of an exchange besides its count.

use std::sync::OnceLock;

use campanile_core::{
    Outcome,
    series::{Lazy, Metric},
};
use metrics::{Histogram, Label, Recorder};

use super::{RouteSeries, ServerSeries, status::Ends};
use crate::names;

/// What is recorded at the end: with the labels that are usual, and where a layer wants more.
#[derive(Default)]
pub(super) struct AtEnd {
    pub(super) usual: EndSeries,
    labelled: OnceLock<Box<Ends<EndSeries>>>,
}

#[derive(Default)]
pub(super) struct EndSeries {
    pub(super) response_duration: Lazy<Histogram>,
    pub(super) request_size: Lazy<Histogram>,
    pub(super) response_size: Lazy<Histogram>,
}

impl AtEnd {
    /// Finds the series with a status, zero without a head, and an outcome as labels.
    pub(super) fn labelled(&self, status: u16, outcome: Outcome) -> &EndSeries {
        Ends::get(&self.labelled, status, outcome)
    }
}

impl EndSeries {
    /// Records what there is of time and bytes of both bodies.
    pub(super) fn record(
        &self,
        table: &ServerSeries,
        seconds: Option<f64>,
        bytes: [Option<u64>; 2],
        labels: impl Fn() -> Vec<Label>,
    ) {
        let [request, response] = bytes.map(|bytes| bytes.map(|bytes| bytes as f64));
        for (place, metric, value) in [
            (&self.response_duration, names::RESPONSE_DURATION, seconds),
            (&self.request_size, names::REQUEST_SIZE, request),
            (&self.response_size, names::RESPONSE_SIZE, response),
        ] {
            let Some(value) = value else { continue };
            let register = |recorder: &dyn Recorder| table.histogram(recorder, metric, labels());
            if let Some(histogram) = place.get(table.source, register) {
                histogram.record(value);
            }
        }
    }
}

impl RouteSeries {
    /// Records the time to the end of an exchange.
    #[inline]
    pub(crate) fn record_response_duration(&self, table: &ServerSeries, seconds: f64) {
        let place = &self.more.at_end.usual.response_duration;
        self.record(table, place, &names::RESPONSE_DURATION, seconds);
    }

    /// Records the bytes of a request's body.
    #[inline]
    pub(crate) fn record_request_size(&self, table: &ServerSeries, bytes: u64) {
        let place = &self.more.at_end.usual.request_size;
        self.record(table, place, &names::REQUEST_SIZE, float(bytes));
    }

    /// Records the bytes of an answer's body.
    #[inline]
    pub(crate) fn record_response_size(&self, table: &ServerSeries, bytes: u64) {
        let place = &self.more.at_end.usual.response_size;
        self.record(table, place, &names::RESPONSE_SIZE, float(bytes));
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
    fn record(&self, table: &ServerSeries, place: &Lazy<Histogram>, metric: &'static Metric, value: f64) {
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
        metric: &'static Metric,
    ) -> Option<&'a Histogram> {
        place.get(table.source, |recorder| {
            table.histogram(recorder, *metric, self.labels())
        })
    }
}

/// Signed, which is one instruction to convert; no body is so long.
#[inline]
fn float(bytes: u64) -> f64 {
    bytes.cast_signed() as f64
}
