//! What is recorded at the end of an exchange besides its count.

use std::sync::OnceLock;

use campanile_http::{Outcome, series::Lazy};
use metrics::Histogram;

use super::status::Ends;

/// Status, zero without a head, and outcome, where they are labels of what is recorded at the end.
pub(crate) type EndLabels = Option<(u16, Outcome)>;

/// What is recorded at the end: with the labels that are usual, and where a layer wants more.
#[derive(Default)]
pub(super) struct AtEnd {
    usual: EndSeries,
    labelled: OnceLock<Box<Ends<EndSeries>>>,
}

#[derive(Default)]
pub(super) struct EndSeries {
    pub(super) response_duration: Lazy<Histogram>,
    pub(super) request_size: Lazy<Histogram>,
    pub(super) response_size: Lazy<Histogram>,
}

impl AtEnd {
    /// Finds the series with these labels.
    #[inline]
    pub(super) fn of(&self, labels: EndLabels) -> &EndSeries {
        match labels {
            None => &self.usual,
            Some((status, outcome)) => Ends::get(&self.labelled, status, outcome),
        }
    }
}
