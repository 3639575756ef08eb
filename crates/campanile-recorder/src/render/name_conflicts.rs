//! Families whose samples would have the same name as those of another family.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::Format;
use crate::{Family, MetricKind};

/// The suffixes of a histogram's samples.
const SAMPLES: [&str; 3] = ["_bucket", "_count", "_sum"];
/// A suffix that OpenMetrics reserves for counters and histograms. It is not rendered.
const CREATED: &str = "_created";

/// The replacement names of families with a conflict.
///
/// Scrapers reject a text in which a name occurs twice. A family named like a sample of a histogram is renamed to
/// `exported_…`, and a counter that OpenMetrics would rename to the name of another family keeps its own.
#[derive(Debug, Default)]
pub(super) struct NameConflicts(HashMap<Arc<str>, Arc<str>>);

impl NameConflicts {
    pub(super) fn new(families: &[Family], format: Format) -> Self {
        let names: HashSet<&str> = families.iter().map(|family| &*family.name).collect();
        let created = (format == Format::OpenMetrics).then_some(CREATED);
        let histograms = families
            .iter()
            .filter(|family| family.kind == MetricKind::Histogram);
        let samples: HashSet<String> = histograms
            .flat_map(|family| {
                let suffixes = SAMPLES.into_iter().chain(created);
                suffixes.map(|suffix| format!("{}{suffix}", family.name))
            })
            .collect();
        let replacements = families.iter().filter_map(|family| {
            let name = &family.name;
            if samples.contains(&**name) {
                Some((Arc::clone(name), exported(name, &names)))
            } else {
                let conflicts = format == Format::OpenMetrics
                    && family.kind == MetricKind::Counter
                    && counter_conflicts(name, &names, &samples);
                conflicts.then(|| (Arc::clone(name), Arc::clone(name)))
            }
        });
        Self(replacements.collect())
    }

    /// Returns the replacement name of a family, if it has one.
    pub(super) fn replacement(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|name| &**name)
    }
}

/// Returns the name of a counter's family in OpenMetrics, without `_total` unless that is all of it.
pub(super) fn stem(counter: &str) -> &str {
    match counter.strip_suffix("_total") {
        None | Some("") => counter,
        Some(stem) => stem,
    }
}

fn counter_conflicts(name: &str, names: &HashSet<&str>, samples: &HashSet<String>) -> bool {
    // Its samples would be named `_total_total`.
    if name == "_total" {
        return true;
    }
    let stem = stem(name);
    let taken = |text: &str| text != name && (names.contains(text) || samples.contains(text));
    taken(stem) || taken(&format!("{stem}_total")) || taken(&format!("{stem}{CREATED}"))
}

/// Returns a name that no family has, nor starts with.
fn exported(name: &str, names: &HashSet<&str>) -> Arc<str> {
    let mut exported = format!("exported_{name}");
    while names.iter().any(|other| other.starts_with(&exported)) {
        exported.insert_str(0, "exported_");
    }
    exported.into()
}
