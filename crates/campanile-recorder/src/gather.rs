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
