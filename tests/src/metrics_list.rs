//! The list of all metrics, from the descriptors of the crates.

use campanile_metrics::{Descriptor, SERIES_FOLDED, UPGRADED_CONNECTIONS};
use serde::Serialize;

/// Returns all metrics, each with its crate, sorted by name.
#[must_use]
pub fn all_metrics() -> Vec<(&'static str, Descriptor)> {
    let crates: [(&str, &[Descriptor]); 1] = [("campanile-metrics", &[SERIES_FOLDED, UPGRADED_CONNECTIONS])];
    let mut all: Vec<_> = crates
        .into_iter()
        .flat_map(|(name, metrics)| metrics.iter().map(move |metric| (name, *metric)))
        .collect();
    all.sort_by_key(|(_, metric)| metric.name());
    all
}

/// Returns the list as JSON, the content of `docs/metrics.json`.
#[must_use]
pub fn metrics_json() -> String {
    #[derive(Serialize)]
    struct Metric {
        name: &'static str,
        kind: &'static str,
        unit: Option<&'static str>,
        help: &'static str,
        labels: &'static [&'static str],
        #[serde(rename = "crate")]
        package: &'static str,
    }
    let metrics: Vec<_> = all_metrics()
        .into_iter()
        .map(|(package, metric)| Metric {
            name: metric.name(),
            kind: metric.kind().as_str(),
            unit: metric.unit().map(|unit| unit.as_str()),
            help: metric.help(),
            labels: metric.labels(),
            package,
        })
        .collect();
    serde_json::to_string_pretty(&metrics).expect("the list is valid JSON") + "\n"
}
