//! Adds up the cells.

use crate::{
    Distribution, Family, Series, Snapshot, Value,
    exemplars::Exemplar,
    registry::{Cells, Listed, Registry},
};

/// Takes what a registry holds.
pub(crate) fn snapshot(registry: &Registry) -> Snapshot {
    Snapshot {
        families: registry.list().into_iter().map(family).collect(),
    }
}

/// Adds this process's exemplars to what all processes observed in the same buckets.
pub(crate) fn add_exemplars(snapshot: &mut Snapshot, registry: &Registry) {
    if !registry.has_exemplars() {
        // To list all series costs as much as they are many.
        return;
    }
    for listed in registry.list() {
        let family = snapshot
            .families
            .binary_search_by(|family| family.name.cmp(&listed.name));
        let Ok(family) = family.map(|index| &mut snapshot.families[index]) else {
            continue;
        };
        for (labels, cells) in &listed.series {
            if let Cells::Histogram(histogram) = cells
                && histogram.exemplars().is_some()
                && let Ok(index) = family.series.binary_search_by(|series| series.labels.cmp(labels))
                && let series = &mut family.series[index]
                && let Value::Histogram(distribution) = &series.value
                && *distribution.bounds == *histogram.bounds().as_slice()
            {
                series.exemplars = exemplars(cells);
            }
        }
    }
}

fn family(listed: Listed) -> Family {
    Family {
        name: listed.name,
        kind: listed.kind,
        unit: listed.unit,
        help: listed.help,
        series: listed
            .series
            .into_iter()
            .map(|(labels, cells)| Series {
                labels,
                value: value(&cells),
                exemplars: exemplars(&cells),
            })
            .collect(),
    }
}

fn value(cells: &Cells) -> Value {
    match cells {
        Cells::Counter(counter) => Value::Counter(counter.value()),
        Cells::Gauge(gauge) => Value::Gauge(gauge.value()),
        Cells::Histogram(histogram) => {
            let (counts, sum) = histogram.value();
            Value::Histogram(Distribution::new(histogram.bounds().share(), counts, sum.value()))
        }
    }
}

fn exemplars(cells: &Cells) -> Box<[Option<Exemplar>]> {
    match cells {
        Cells::Histogram(histogram) => histogram
            .exemplars()
            .map(crate::exemplars::Exemplars::all)
            .unwrap_or_default(),
        _ => Box::default(),
    }
}
