//! Families whose samples would be called as those of another.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::Format;
use crate::{Family, Kind};

/// What the samples of a histogram have behind its name.
const SAMPLES: [&str; 3] = ["_bucket", "_count", "_sum"];
/// What OpenMetrics keeps for a sample that counters and histograms may have, and that is never written here.
const CREATED: &str = "_created";

/// The names that families have in a text instead of those that their kind would give them.
///
/// A text with a name that stands twice is refused whole, so who clashes gives way: a family that is called as a sample
/// of a histogram is called `exported_…`, and a counter that OpenMetrics would call as another family keeps its name.
#[derive(Debug, Default)]
pub(super) struct Clashes(HashMap<Arc<str>, Arc<str>>);

impl Clashes {
    pub(super) fn of(families: &[Family], format: Format) -> Self {
        let names: HashSet<&str> = families.iter().map(|family| &*family.name).collect();
        let created = (format == Format::OpenMetrics).then_some(CREATED);
        let histograms = families.iter().filter(|family| family.kind == Kind::Histogram);
        let samples: HashSet<String> = histograms
            .flat_map(|family| {
                let endings = SAMPLES.into_iter().chain(created);
                endings.map(|ending| format!("{}{ending}", family.name))
            })
            .collect();
        let instead = families.iter().filter_map(|family| {
            let name = &family.name;
            if samples.contains(&**name) {
                Some((Arc::clone(name), exported(name, &names)))
            } else {
                let clashes = format == Format::OpenMetrics
                    && family.kind == Kind::Counter
                    && counter_clashes(name, &names, &samples);
                clashes.then(|| (Arc::clone(name), Arc::clone(name)))
            }
        });
        Self(instead.collect())
    }

    /// Returns the name that a family has instead.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|name| &**name)
    }
}

/// The name of a counter's family in OpenMetrics, which has no ending; its own if nothing would be left of it.
pub(super) fn stem(counter: &str) -> &str {
    match counter.strip_suffix("_total") {
        None | Some("") => counter,
        Some(stem) => stem,
    }
}

fn counter_clashes(name: &str, names: &HashSet<&str>, samples: &HashSet<String>) -> bool {
    // Of what is called nothing but `_total` the samples would have the ending twice.
    if name == "_total" {
        return true;
    }
    let stem = stem(name);
    let taken = |text: &str| text != name && (names.contains(text) || samples.contains(text));
    taken(stem) || taken(&format!("{stem}_total")) || taken(&format!("{stem}{CREATED}"))
}

/// A name that nobody has, nor the beginning of it.
fn exported(name: &str, names: &HashSet<&str>) -> Arc<str> {
    let mut exported = format!("exported_{name}");
    while names.iter().any(|other| other.starts_with(&exported)) {
        exported.insert_str(0, "exported_");
    }
    exported.into()
}
