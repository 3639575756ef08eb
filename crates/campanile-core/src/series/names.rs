//! Bounds the values of a label.

use metrics::{Counter, Key as MetricKey};

use super::{Key, Kind, Lazy, METADATA, Metric, SeriesTable, Source};

/// What a value becomes that finds no room.
pub const OTHER: &str = "other";

/// Observations whose label was folded into [`OTHER`].
pub const FOLDED: Metric = Metric::new(
    "campanile_series_folded_total",
    Kind::Counter,
    None,
    "Observations counted under the label value `other` because a limit on label values was reached.",
);

/// The values that a label has been given, up to a limit. First come, first kept.
#[derive(Debug, Default)]
pub struct Names(SeriesTable<()>);

impl Names {
    /// Makes an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(SeriesTable::new())
    }

    /// Tells whether a value may be a label: it is in the set already, or fewer than `limit` are and now it is.
    pub fn admit(&self, name: &str, limit: usize) -> bool {
        let key = Key::new(0, name, "");
        if self.0.get(key).is_some() {
            return true;
        }
        // Racing threads may pass the limit by as many as there are of them, no further.
        if self.0.len() >= limit {
            return false;
        }
        self.0.get_or_insert(key, || ());
        true
    }

    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Counts [`FOLDED`] observations.
#[derive(Debug, Default)]
pub struct FoldCounter(Lazy<Counter>);

impl FoldCounter {
    /// Makes a counter that is resolved at its first use.
    #[must_use]
    pub const fn new() -> Self {
        Self(Lazy::new())
    }

    /// Counts one folded observation.
    pub fn count(&self, source: Source) {
        let counter = self.0.get(source, |recorder| {
            FOLDED.describe(recorder);
            recorder.register_counter(&MetricKey::from_static_name(FOLDED.name), &METADATA)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}
