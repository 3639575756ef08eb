//! The README and the list of metrics agree.

use campanile_inbound::METRICS;

#[test]
fn readme_lists_all_metrics_with_type_and_labels() {
    let mut rows: Vec<_> = METRICS
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
    let is_metric = |line: &&str| {
        ["| `http_", "| `rpc_", "| `campanile_"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    for line in include_str!("../../README.md").lines().filter(is_metric) {
        let row = rows.iter().position(|row| line.starts_with(row));
        rows.remove(row.unwrap_or_else(|| panic!("{line} is not in METRICS")));
    }
    assert_eq!(rows, [""; 0], "missing in the README");
}

#[test]
fn metrics_have_unique_names_and_units_in_their_names() {
    let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METRICS.len(), "a duplicate name");
    for metric in METRICS {
        let name = metric.name();
        let counter = metric.kind() == campanile_metrics::Kind::Counter;
        assert_eq!(counter, name.ends_with("_total"), "{name}");
        let base = name.strip_suffix("_total").unwrap_or(name);
        let unit = metric.unit();
        assert_eq!(
            base.ends_with("_seconds"),
            unit == Some(campanile_metrics::Unit::Seconds),
            "{name}"
        );
        assert_eq!(
            base.ends_with("_bytes"),
            unit == Some(campanile_metrics::Unit::Bytes),
            "{name}"
        );
        assert!(!metric.help().ends_with('.'), "{name}");
    }
}
