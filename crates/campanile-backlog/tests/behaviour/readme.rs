//! The README lists the metrics.

use campanile_backlog::METRICS;

#[test]
fn readme_lists_every_metric_with_its_kind_and_labels() {
    let rows = METRICS.iter().map(|metric| {
        let labels: Vec<_> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() {
            "-".to_owned()
        } else {
            labels.join(", ")
        };
        format!("| `{}` | {} | {labels} | ", metric.name(), metric.kind().as_str())
    });
    let readme = include_str!("../../README.md").lines();
    let listed: Vec<_> = readme
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 3)
        .collect();
    assert_eq!(listed.len(), METRICS.len());
    for (line, row) in listed.iter().zip(rows) {
        assert!(line.starts_with(&row), "{line} should begin with {row}");
    }
}
