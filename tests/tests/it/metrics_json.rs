//! `docs/metrics.json` lists all metrics.

use std::collections::BTreeSet;

use campanile_tests::metrics_list::{all_metrics, metrics_json};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.json");

#[test]
fn list_of_metrics_is_current() {
    let current = metrics_json();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PATH, &current).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert_eq!(
        committed, current,
        "docs/metrics.json is stale: run `cargo xtask metrics`"
    );
}

#[test]
fn metrics_have_unique_names_and_a_help_text() {
    let mut names = BTreeSet::new();
    for (package, metric) in all_metrics() {
        assert!(
            names.insert(metric.name()),
            "{} of {package} is repeated",
            metric.name()
        );
        assert!(!metric.help().is_empty(), "{} has no help text", metric.name());
    }
}
