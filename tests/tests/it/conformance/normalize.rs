//! Normalizes metrics text, so that it is equal in each run and for each recorder.

use std::collections::BTreeMap;

use campanile_recorder::Format;
use campanile_tests::process::Process;

/// Sorts a text, and removes or masks the parts that differ between runs, recorders and formats.
///
/// | removed or masked | because |
/// |---|---|
/// | order of families and series | campanile-recorder sorts them, metrics-exporter-prometheus uses the order of its hash tables |
/// | order of labels | campanile-recorder sorts them, metrics-exporter-prometheus uses the order of the key, which a profile sets |
/// | empty lines | metrics-exporter-prometheus writes one after each family |
/// | all but the bounds and counts of buckets | so that the buckets of a series are one line |
/// | samples of the accept queue, overflows in the network namespace: `T` | they differ between runs |
/// | times: `T` | they differ between runs; `_count` has their number |
/// | address of the service: `LISTENER` | it differs between runs |
/// | `# UNIT`, `# EOF` | only OpenMetrics has them |
/// | counter families without `_total` | OpenMetrics names them so; samples always have the suffix |
/// | `.0` in bounds, `\"` in help | OpenMetrics writes them so |
/// | exemplars | only OpenMetrics has them |
pub(super) fn normalize(text: &str, format: Format, service: &Process) -> String {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut family = String::new();
    let counters = counters(text);
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(head) = line.strip_prefix("# ") {
            let mut words = head.splitn(3, ' ');
            let (keyword, name) = (words.next().expect("a keyword"), words.next().unwrap_or_default());
            if matches!(keyword, "EOF" | "UNIT") {
                continue;
            }
            let ending = if format == Format::OpenMetrics && counters.contains(&name) {
                "_total"
            } else {
                ""
            };
            family = format!("{name}{ending}");
            let rest = words.next().expect("a help or a type").replace("\\\"", "\"");
            let heads = &mut families.entry(family.clone()).or_default().heads;
            heads.push(format!("# {keyword} {family} {rest}"));
            continue;
        }
        let line = line.split_once(" # ").map_or(line, |(sample, _exemplar)| sample);
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let timed =
            (family.contains("_seconds") || family.contains("_latency")) && !series.contains("_count");
        let value = if timed || varies(&family) { "T" } else { value };
        let series = series.replace(service.address(), "LISTENER");
        // `le` is the last label, and bounds are in order.
        let (series, value) = match series.split_once(",le=") {
            Some((series, bound)) => {
                let bound = bound.trim_matches(['"', '}']);
                let bound = bound.strip_suffix(".0").unwrap_or(bound);
                (format!("{series}}}"), format!("{bound}:{value}"))
            }
            None => (series, value.to_owned()),
        };
        let all = &mut families.entry(family.clone()).or_default().series;
        all.entry(with_sorted_labels(&series)).or_default().push(value);
    }
    let mut normalized = String::new();
    for Family { heads, series } in families.into_values() {
        normalized += &heads.join("\n");
        normalized += "\n";
        for (series, values) in series {
            normalized += &format!("{series} {}\n", values.join(" "));
        }
        normalized += "\n";
    }
    normalized
}

/// Returns whether a counter depends on time, or on other processes of the machine.
fn varies(family: &str) -> bool {
    family.starts_with("listener_backlog_samples") || family.starts_with("listener_backlog_namespace")
}

fn with_sorted_labels(series: &str) -> String {
    let Some((name, labels)) = series
        .strip_suffix("\"}")
        .and_then(|series| series.split_once('{'))
    else {
        return series.to_owned();
    };
    let mut labels: Vec<_> = labels.split("\",").collect();
    labels.sort_unstable();
    format!("{name}{{{}\"}}", labels.join("\","))
}

/// The lines of a family.
#[derive(Default)]
struct Family {
    heads: Vec<String>,
    /// The values by series.
    series: BTreeMap<String, Vec<String>>,
}

fn counters(text: &str) -> Vec<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.strip_suffix(" counter")).collect()
}

/// Compares a text with a golden file, which `UPDATE_GOLDEN` in the environment overwrites.
pub(super) fn assert_golden(path: &str, actual: &str, of: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, actual).expect("the golden file can be written");
    }
    let golden = read_golden(path);
    if actual != golden {
        let lines = |text: &str, other: &str, sign: &str| -> String {
            let other: Vec<_> = other.lines().collect();
            let missing = text.lines().filter(|line| !other.contains(line));
            missing.map(|line| format!("{sign} {line}\n")).collect()
        };
        panic!(
            "the text of {of} differs from {path}:\n{}{}",
            lines(&golden, actual, "-"),
            lines(actual, &golden, "+")
        );
    }
}

/// Reads a golden file; empty if it does not exist yet.
pub(super) fn read_golden(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
