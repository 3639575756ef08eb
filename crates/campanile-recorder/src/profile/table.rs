//! A table, checked and ready to be laid over a recorder.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{InvalidProfile, ProfileRecorder, Row, check::check};
use crate::MetricKind;

/// A table that turns what the layers record into other metrics.
///
/// See the [module docs](super). Cloning copies a pointer.
#[derive(Clone)]
pub struct Profile(Arc<Table>);

struct Table {
    rows: Vec<Row>,
    by_source: HashMap<&'static str, Vec<Entry>>,
}

/// A row, and what is known of it from the others.
pub(super) struct Entry {
    pub(super) row: Row,
    /// Whether no other row makes this target.
    pub(super) alone: bool,
}

impl Profile {
    /// Makes a profile of rows.
    ///
    /// Several rows may name one source, which then feeds several targets, and several may make one target. A source
    /// that no row names passes unchanged; make sure by the names that it does not pass into a target.
    ///
    /// # Errors
    ///
    /// If a name cannot be one, if two rows make one target with different kinds, labels or buckets, or if a scale or
    /// buckets cannot be. The error names the row, counted from zero.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Result<Self, InvalidProfile> {
        let rows: Vec<Row> = rows.into_iter().collect();
        check(&rows)?;
        let mut by_source: HashMap<_, Vec<_>> = HashMap::new();
        for row in &rows {
            let makers = rows.iter().filter(|other| other.target == row.target).count();
            by_source.entry(row.source).or_default().push(Entry {
                row: *row,
                alone: makers == 1,
            });
        }
        Ok(Self(Arc::new(Table { rows, by_source })))
    }

    /// Lays the table over a recorder.
    pub fn over<R>(&self, recorder: R) -> ProfileRecorder<R> {
        ProfileRecorder::new(self.clone(), recorder)
    }

    /// Returns the targets that have fixed buckets, each once, with the buckets' upper bounds in the target's unit.
    ///
    /// A recorder has to be told them; a layer around it cannot.
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, &'static [f64])> {
        let rows = &self.0.rows;
        rows.iter().enumerate().filter_map(|(index, row)| {
            let seen = rows[..index].iter().any(|earlier| earlier.target == row.target);
            row.buckets.filter(|_| !seen).map(|bounds| (row.target, bounds))
        })
    }

    /// Returns the rows of a source; nothing if the table does not name it.
    pub(super) fn rows_of(&self, kind: MetricKind, source: &str) -> Option<impl Iterator<Item = &Entry>> {
        let entries = self.0.by_source.get(source)?;
        let of_kind = move |entry: &&Entry| entry.row.kind == kind;
        entries
            .iter()
            .any(|entry| of_kind(&entry))
            .then(|| entries.iter().filter(of_kind))
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.rows).finish()
    }
}
