//! A row of a profile: one source, one target.

use metrics::{Key, Unit};

use super::{Label, SourceLabels};
use crate::MetricKind;

/// A row of a profile: a source metric, its target, and how it is mapped.
///
/// All methods are `const`. Labels, help and unit are those of the source unless set.
///
/// ```
/// use campanile_recorder::profile::{Label, Row};
///
/// const SLOW: Row = Row::histogram("http_server_request_duration_seconds", "acme_request_ms")
///     .with_labels(&[Label::from_source("path", "http_route")])
///     .with_condition(|source| source.value("http_response_status_code") != "404")
///     .in_milliseconds()
///     .with_buckets(&[10.0, 100.0, 1_000.0])
///     .with_help("Duration of requests for pages that exist.");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub(super) kind: MetricKind,
    pub(super) source: &'static str,
    pub(super) target: &'static str,
    pub(super) labels: Option<&'static [Label]>,
    pub(super) condition: Option<Condition>,
    pub(super) scale: Option<f64>,
    pub(super) unit: Option<Unit>,
    pub(super) help: Option<&'static str>,
    pub(super) buckets: Option<&'static [f64]>,
    pub(super) one_to_one: bool,
}

/// Returns whether a row applies to a source series.
pub type Condition = fn(SourceLabels<'_>) -> bool;

impl Row {
    const fn new(kind: MetricKind, source: &'static str, target: &'static str) -> Self {
        Self {
            kind,
            source,
            target,
            labels: None,
            condition: None,
            scale: None,
            unit: None,
            help: None,
            buckets: None,
            one_to_one: false,
        }
    }

    /// Creates a row for a counter.
    #[must_use]
    pub const fn counter(source: &'static str, target: &'static str) -> Self {
        Self::new(MetricKind::Counter, source, target)
    }

    /// Creates a row for a gauge.
    #[must_use]
    pub const fn gauge(source: &'static str, target: &'static str) -> Self {
        Self::new(MetricKind::Gauge, source, target)
    }

    /// Creates a row for a histogram.
    #[must_use]
    pub const fn histogram(source: &'static str, target: &'static str) -> Self {
        Self::new(MetricKind::Histogram, source, target)
    }

    /// Sets the labels of the target, in this order. By default they are those of the source.
    ///
    /// The slice must be `'static`: write it in a `const`, or in a function as `const { … }`.
    #[must_use]
    pub const fn with_labels(mut self, labels: &'static [Label]) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Restricts the row to source series that meet a condition.
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Multiplies the values of a gauge or histogram, and sets the resulting unit.
    #[must_use]
    pub const fn with_scale(mut self, factor: f64, unit: Unit) -> Self {
        self.scale = Some(factor);
        self.unit = Some(unit);
        self
    }

    /// Converts seconds to milliseconds.
    #[must_use]
    pub const fn in_milliseconds(self) -> Self {
        self.with_scale(1_000.0, Unit::Milliseconds)
    }

    /// Sets the unit of the target. By default it is that of the source.
    #[must_use]
    pub const fn with_unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Sets the help text of the target. By default it is that of the source.
    #[must_use]
    pub const fn with_help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    /// Sets the bucket bounds of a histogram, ascending, in the unit of the target.
    #[must_use]
    pub const fn with_buckets(mut self, bounds: &'static [f64]) -> Self {
        self.buckets = Some(bounds);
        self
    }

    /// Sets whether distinct source series always have distinct targets, although labels are computed, mapped or left out.
    ///
    /// The gauge is then recorded without extra cost; otherwise it is a sum over its sources. If the promise is broken,
    /// the source that was set last wins.
    #[must_use]
    pub const fn with_one_to_one(mut self, enabled: bool) -> Self {
        self.one_to_one = enabled;
        self
    }

    /// Returns whether the row applies to a source series.
    pub(super) fn matches(&self, source: &Key) -> bool {
        self.condition
            .is_none_or(|condition| condition(SourceLabels::new(source)))
    }

    /// Returns whether distinct source series have distinct targets.
    pub(super) fn is_injective(&self, source: &Key) -> bool {
        let Some(labels) = self.labels else { return true };
        self.one_to_one
            || source
                .labels()
                .all(|label| labels.iter().any(|own| own.copied_label() == Some(label.key())))
    }

    /// Returns the key of the target for a source series.
    pub(super) fn target_key(&self, source: &Key) -> Key {
        let labels: Vec<metrics::Label> = match self.labels {
            Some(labels) => labels
                .iter()
                .map(|label| label.for_source(SourceLabels::new(source)))
                .collect(),
            None => source.labels().cloned().collect(),
        };
        Key::from_parts(self.target, labels)
    }
}
