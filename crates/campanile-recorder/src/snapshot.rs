//! The state of a recorder at one moment, as plain data.

use std::sync::Arc;

use metrics::Unit;

use crate::{Chunks, Format, Labels, exemplars::Exemplar};

/// All metrics at one moment, sorted by name, each with its series sorted by labels.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The metrics; names are unique.
    pub families: Vec<Family>,
}

impl Snapshot {
    /// Renders the snapshot in chunks of about 64 KiB.
    pub fn chunks(self, format: Format) -> Chunks {
        Chunks::new(self, format)
    }

    /// Renders the snapshot.
    pub fn render(self, format: Format) -> String {
        self.chunks(format).into_text()
    }
}

/// A metric with all its series.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Family {
    /// The name, with characters that Prometheus does not allow replaced by `_`.
    pub name: Arc<str>,
    /// The kind of the metric.
    pub kind: MetricKind,
    /// The unit of its values, if it was described with one.
    pub unit: Option<Unit>,
    /// The help text, if it was described.
    pub help: Option<Arc<str>>,
    /// The series; labels are unique.
    pub series: Vec<Series>,
}

impl Family {
    /// Creates a family without unit, help and series.
    pub fn new(name: impl Into<Arc<str>>, kind: MetricKind) -> Self {
        Self {
            name: name.into(),
            kind,
            unit: None,
            help: None,
            series: Vec::new(),
        }
    }
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// The labels.
    pub labels: Labels,
    /// The value, of the kind of the family.
    pub value: Value,
    /// Exemplars of a histogram, one entry per bucket; empty if none are recorded.
    pub(crate) exemplars: Box<[Option<Exemplar>]>,
}

impl Series {
    /// Creates a series.
    pub fn new(labels: Labels, value: Value) -> Self {
        Self {
            labels,
            value,
            exemplars: Box::default(),
        }
    }
}

/// The kind of a metric. Exhaustive, since the `metrics` facade has no other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the facade")]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "as `MetricKind`")]
pub enum Value {
    /// The count so far.
    Counter(u64),
    /// The current value.
    Gauge(f64),
    /// The observations so far.
    Histogram(Distribution),
}

/// The observations of a histogram.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Distribution {
    /// The inclusive upper bounds of the buckets, ascending, without infinity.
    pub bounds: Arc<[f64]>,
    /// The observations per bucket, not cumulative. One more than there are bounds, for values above the last.
    pub counts: Box<[u64]>,
    /// The sum of all observations.
    pub sum: f64,
}

impl Distribution {
    /// Creates a distribution.
    ///
    /// # Panics
    ///
    /// If the number of counts is not one more than the number of bounds.
    pub fn new(bounds: Arc<[f64]>, counts: Box<[u64]>, sum: f64) -> Self {
        assert_eq!(
            counts.len(),
            bounds.len() + 1,
            "one bucket per bound and one above them"
        );
        Self { bounds, counts, sum }
    }

    /// Returns the number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}
