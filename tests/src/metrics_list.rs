//! The list of all metrics, from the descriptors of the crates.

use campanile_metrics::{CLOSURE_PANICS, Descriptor, SERIES_FOLDED, UPGRADED_CONNECTIONS};
use serde::Serialize;

/// The crates that record metrics, and the metrics that each records.
pub const CRATE_METRICS: [(&str, &[Descriptor]); 8] = [
    ("campanile-admin", campanile_admin::METRICS),
    ("campanile-backlog", campanile_backlog::METRICS),
    ("campanile-inbound", campanile_inbound::METRICS),
    ("campanile-lifecycle", campanile_lifecycle::METRICS),
    ("campanile-listen", campanile_listen::METRICS),
    ("campanile-outbound", campanile_outbound::METRICS),
    ("campanile-recorder", campanile_recorder::statsd::METRICS),
    ("campanile-server", campanile_server::METRICS),
];

/// Returns all metrics, each with the first crate that records it, sorted by name.
#[must_use]
pub fn all_metrics() -> Vec<(&'static str, Descriptor)> {
    let common: (&str, &[Descriptor]) = (
        "campanile-metrics",
        &[CLOSURE_PANICS, SERIES_FOLDED, UPGRADED_CONNECTIONS],
    );
    let mut all: Vec<_> = std::iter::once(common)
        .chain(CRATE_METRICS)
        .flat_map(|(name, metrics)| metrics.iter().map(move |metric| (name, *metric)))
        .collect();
    // Stable: of a family that several crates record, the first entry stays.
    all.sort_by_key(|(_, metric)| metric.name());
    all.dedup_by_key(|(_, metric)| metric.name());
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
