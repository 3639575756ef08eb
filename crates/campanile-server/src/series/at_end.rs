//! What is recorded at the end of an exchange besides its count.

use std::sync::OnceLock;

use campanile_http::{Outcome, series::Lazy};
use metrics::{Histogram, Label, Recorder};

use super::{ServerSeries, status::Ends};
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
