//! A row of a table: one source, one target.

use metrics::{Key, Unit};

use super::{Label, Source};
use crate::MetricKind;

/// A row of a profile's table: one source metric, the target that it becomes, and how.
///
/// All of it works in a `const`. What a row does not say stays as the source has it: labels, help, unit.
///
/// ```
/// use campanile_recorder::profile::{Label, Row};
///
/// const SLOW: Row = Row::histogram("http_server_request_duration_seconds", "acme_request_ms")
///     .with_labels(&[Label::from_source("path", "http_route")])
///     .with_condition(|source| source.value("http_response_status_code") != "404")
///     .in_milliseconds()
///     .with_buckets(&[10.0, 100.0, 1_000.0])
///     .with_help("What users waited for, if there was something.");
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

/// Tells whether a row is for a source series.
pub type Condition = fn(Source<'_>) -> bool;

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

    /// Makes a row for a counter.
    #[must_use]
    pub const fn counter(source: &'static str, target: &'static str) -> Self {
        Self::new(MetricKind::Counter, source, target)
    }

    /// Makes a row for a gauge.
    #[must_use]
    pub const fn gauge(source: &'static str, target: &'static str) -> Self {
        Self::new(MetricKind::Gauge, source, target)
    }

    /// Makes a row for a histogram.
    #[must_use]
    pub const fn histogram(source: &'static str, target: &'static str) -> Self {
        Self::new(MetricKind::Histogram, source, target)
    }

    /// Gives the target these labels, in this order; without them it has the source's.
    ///
    /// They live as long as the program: in a `const` they can be written here, in a function in a `const { … }`.
    #[must_use]
    pub const fn with_labels(mut self, labels: &'static [Label]) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Makes the row one for source series that fulfil a condition. For others it yields nothing.
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Multiplies the values of a gauge or a histogram, and says the unit that they have then.
    #[must_use]
    pub const fn with_scale(mut self, factor: f64, unit: Unit) -> Self {
        self.scale = Some(factor);
        self.unit = Some(unit);
        self
    }

    /// Turns seconds into milliseconds.
    #[must_use]
    pub const fn in_milliseconds(self) -> Self {
        self.with_scale(1_000.0, Unit::Milliseconds)
    }

    /// Says the unit of the target; without it, it is the source's.
    #[must_use]
    pub const fn with_unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Says what the target is, for people; without it, it is what the source says.
    #[must_use]
    pub const fn with_help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    /// Says the fixed buckets that a histogram has, by their upper bounds in the target's unit, rising.
    #[must_use]
    pub const fn with_buckets(mut self, bounds: &'static [f64]) -> Self {
        self.buckets = Some(bounds);
        self
    }

    /// Says that no two source series become one target series, though a label is computed, mapped or left out.
    ///
    /// A gauge then costs nothing; else it would be a sum, to which each source contributes. Where it is not so, the
    /// source that was set last wins.
    #[must_use]
    pub const fn one_to_one(mut self) -> Self {
        self.one_to_one = true;
        self
    }

    /// Tells whether the row is for a source series.
    pub(super) fn matches(&self, source: &Key) -> bool {
        self.condition
            .is_none_or(|condition| condition(Source::new(source)))
    }

    /// Tells whether the target's labels tell all sources apart that differ in theirs.
    pub(super) fn keeps_apart(&self, source: &Key) -> bool {
        let Some(labels) = self.labels else { return true };
        self.one_to_one
            || source
                .labels()
                .all(|label| labels.iter().any(|own| own.copied() == Some(label.key())))
    }

    /// Makes the key of the target.
    pub(super) fn key(&self, source: &Key) -> Key {
        let labels: Vec<metrics::Label> = match self.labels {
            Some(labels) => labels.iter().map(|label| label.of(Source::new(source))).collect(),
            None => source.labels().cloned().collect(),
        };
        Key::from_parts(self.target, labels)
    }
}
