//! Texts of metrics, brought into one form that is the same in each run and of each recorder.

use std::collections::BTreeMap;

use campanile_recorder::Format;
use campanile_tests::process::Process;

/// Brings a text into one order, and takes out what differs from run to run, from recorder to recorder and from format
/// to format. What is left has to be equal.
///
/// | taken out | because |
/// |---|---|
/// | the order of families and series | ours sorts them, metrics-exporter-prometheus has that of its hash tables |
/// | the order of labels | ours sorts them, metrics-exporter-prometheus has that of the key, which a profile's table gives |
/// | empty lines | metrics-exporter-prometheus puts one behind each family |
/// | all but the bounds and counts of buckets | so that those of a series are one line |
/// | samples of the queue, and what others on the machine overflow: `T` | likewise |
/// | times: `T` | they differ from run to run; how many there were stands in `_count` |
/// | the address of the service: `LISTENER` | likewise |
/// | `# UNIT`, `# EOF` | only OpenMetrics has them |
/// | a counter's family without `_total` | so OpenMetrics names it; the samples have it everywhere |
/// | `.0` at bounds, `\"` in help | so OpenMetrics spells them |
/// | exemplars | only OpenMetrics has them |
pub(super) fn steady(text: &str, format: Format, service: &Process) -> String {
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
        let value = if timed || counts_by_time(&family) {
            "T"
        } else {
            value
        };
        let series = series.replace(service.address(), "LISTENER");
        // The bounds come last, and in their order.
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
    let mut steady = String::new();
    for Family { heads, series } in families.into_values() {
        steady += &heads.join("\n");
        steady += "\n";
        for (series, values) in series {
            steady += &format!("{series} {}\n", values.join(" "));
        }
        steady += "\n";
    }
    steady
}

/// Tells whether what is counted comes with time, or from others on the machine.
fn counts_by_time(family: &str) -> bool {
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

/// Compares with a golden file; with `UPDATE_GOLDEN` in the environment it writes the file.
pub(super) fn assert_golden(path: &str, is: &str, of: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, is).expect("the golden file can be written");
    }
    let golden = golden(path);
    if is != golden {
        let lines = |text: &str, other: &str, sign: &str| -> String {
            let other: Vec<_> = other.lines().collect();
            let missing = text.lines().filter(|line| !other.contains(line));
            missing.map(|line| format!("{sign} {line}\n")).collect()
        };
        panic!(
            "what {of} says differs from {path}:\n{}{}",
            lines(&golden, is, "-"),
            lines(is, &golden, "+")
        );
    }
}

/// Reads a golden file; empty if there is none yet.
pub(super) fn golden(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
