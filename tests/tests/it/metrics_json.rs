//! `docs/metrics.json` and the READMEs of the crates list all metrics.

use std::collections::BTreeSet;

use campanile_metrics::{Kind, Unit};
use campanile_tests::metrics_list::{CRATE_METRICS, all_metrics, metrics_json};

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
fn each_readme_lists_the_metrics_of_its_crate_with_kind_and_labels() {
    for (package, metrics) in CRATE_METRICS {
        let mut rows: Vec<_> = metrics
            .iter()
            .map(|metric| {
                let labels: Vec<_> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
                let labels = if labels.is_empty() {
                    "-".to_owned()
                } else {
                    labels.join(", ")
                };
                format!("| `{}` | {} | {labels} | ", metric.name(), metric.kind().as_str())
            })
            .collect();
        let path = format!("{}/../crates/{package}/README.md", env!("CARGO_MANIFEST_DIR"));
        let readme = std::fs::read_to_string(path).unwrap();
        let is_metric = |line: &&str| {
            let mut cells = line.split(" | ");
            // The recorder's metrics about itself have no descriptors: they are a part of its text.
            cells
                .next()
                .is_some_and(|name| name.starts_with("| `") && !name.contains("`campanile_recorder_"))
                && matches!(cells.next(), Some("counter" | "gauge" | "histogram"))
        };
        for line in readme.lines().filter(is_metric) {
            let row = rows.iter().position(|row| line.starts_with(row));
            rows.remove(row.unwrap_or_else(|| panic!("{package}: {line} is not in METRICS")));
        }
        assert_eq!(rows, [""; 0], "missing in the README of {package}");
    }
}

#[test]
fn metrics_have_their_unit_in_their_name() {
    for (package, metrics) in CRATE_METRICS {
        let names: BTreeSet<_> = metrics.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), metrics.len(), "{package} repeats a name");
        for metric in metrics {
            let name = metric.name();
            assert_eq!(metric.kind() == Kind::Counter, name.ends_with("_total"), "{name}");
            let base = name.strip_suffix("_total").unwrap_or(name);
            for (unit, suffix) in [(Unit::Seconds, "_seconds"), (Unit::Bytes, "_bytes")] {
                assert_eq!(metric.unit() == Some(unit), base.ends_with(suffix), "{name}");
            }
            assert!(!metric.help().ends_with('.'), "{name}");
        }
    }
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
