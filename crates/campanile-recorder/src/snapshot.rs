//! What a recorder holds at one moment, as plain data: what is rendered, flushed and merged is made from this.

use std::sync::Arc;

use metrics::Unit;

use crate::{Labels, exemplars::Exemplar};

/// All families at one moment, sorted by name, each with its series sorted by labels.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The families; no two have one name.
    pub families: Vec<Family>,
}

/// A metric with all its series.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Family {
    /// The name, valid for Prometheus, as it was registered otherwise.
    pub name: Arc<str>,
    /// What the metric is.
    pub kind: Kind,
    /// The unit of its values, if it was described with one.
    pub unit: Option<Unit>,
    /// What it says, for people, if it was described.
    pub help: Option<Arc<str>>,
    /// The series; no two have the same labels.
    pub series: Vec<Series>,
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// The labels.
    pub labels: Labels,
    /// The value; of the same kind as the family.
    pub value: Value,
    /// Exemplars of a histogram's buckets; empty where none are kept.
    pub(crate) exemplars: Box<[Option<Exemplar>]>,
}

/// What a metric is. The facade has no more, so matching may be exhaustive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the facade's")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "as `Kind`")]
pub enum Value {
    /// What was counted so far.
    Counter(u64),
    /// What it was last.
    Gauge(f64),
    /// What was observed so far.
    Histogram(Distribution),
}

/// The observations of a histogram.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Distribution {
    /// The upper bounds of the buckets, inclusive and rising, without the infinite one.
    pub bounds: Arc<[f64]>,
    /// Observations in each bucket alone, not summed up; one more than there are bounds, for those above the last.
    pub counts: Box<[u64]>,
    /// The sum of all observations.
    pub sum: f64,
}

impl Distribution {
    /// Makes a distribution.
    ///
    /// # Panics
    ///
    /// If there is not exactly one count more than there are bounds.
    pub fn new(bounds: Arc<[f64]>, counts: Box<[u64]>, sum: f64) -> Self {
        assert_eq!(
            counts.len(),
            bounds.len() + 1,
            "one bucket for each bound and one above"
        );
        Self { bounds, counts, sum }
    }

    /// Returns the number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

impl Family {
    /// Makes a family without unit, help and series.
    pub fn new(name: impl Into<Arc<str>>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            unit: None,
            help: None,
            series: Vec::new(),
        }
    }
}

impl Series {
    /// Makes a series.
    pub fn new(labels: Labels, value: Value) -> Self {
        Self {
            labels,
            value,
            exemplars: Box::default(),
        }
    }
}
