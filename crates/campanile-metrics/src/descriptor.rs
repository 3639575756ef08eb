//! What a metric family is, and how handles of it are registered.

use metrics::{Key, Label, Level, Metadata, Recorder, Unit};

use crate::Handle;

const METADATA: Metadata<'static> = Metadata::new("campanile", Level::INFO, None);

/// One metric family: its name, kind, unit, help and label names.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor {
    name: &'static str,
    kind: Kind,
    unit: Option<Unit>,
    help: &'static str,
    labels: &'static [&'static str],
}

/// The kind of a metric family.
///
/// Exhaustive: the `metrics` facade has no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the facade's kinds")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// Returns the kind in lower case, as in `# TYPE` lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Descriptor {
    /// Describes a counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::new(name, Kind::Counter, unit, help, labels)
    }

    /// Describes a gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::new(name, Kind::Gauge, unit, help, labels)
    }

    /// Describes a histogram.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::new(name, Kind::Histogram, unit, help, labels)
    }

    const fn new(
        name: &'static str,
        kind: Kind,
        unit: Option<Unit>,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            kind,
            unit,
            help,
            labels,
        }
    }

    /// Returns the name, as recorded.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the unit of the values; `None` for plain counts.
    #[must_use]
    pub const fn unit(&self) -> Option<Unit> {
        self.unit
    }

    /// Returns the help text.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// Returns the names of all labels that a series of the family may have.
    #[must_use]
    pub const fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// Passes unit and help to a recorder.
    pub fn describe(&self, recorder: &dyn Recorder) {
        let (name, help) = (self.name.into(), self.help.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, self.unit, help),
            Kind::Gauge => recorder.describe_gauge(name, self.unit, help),
            Kind::Histogram => recorder.describe_histogram(name, self.unit, help),
        }
    }

    /// Describes the family to a recorder and registers one series of it.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the handle is of another kind than the family, or a label is not one of the family's.
    pub fn register<H: Handle>(&self, recorder: &dyn Recorder, mut labels: Vec<Label>) -> H {
        debug_assert_eq!(H::KIND, self.kind, "{} is of another kind", self.name);
        for label in &labels {
            debug_assert!(
                self.labels.contains(&label.key()),
                "{} is not a label of {}",
                label.key(),
                self.name
            );
        }
        self.describe(recorder);
        // Some recorders render labels in the order of the key.
        labels.sort_unstable();
        H::register(recorder, &Key::from_parts(self.name, labels), &METADATA)
    }
}
