//! What may be wrong with a table, found before anything is recorded.

use std::{collections::HashMap, error::Error, fmt};

use super::{Label, Row};
use crate::MetricKind;

/// A table that no profile can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidProfile {
    row: usize,
    source: &'static str,
    target: &'static str,
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    NoSource,
    TargetName,
    LabelName(&'static str),
    LabelTwice(&'static str),
    OtherKind(MetricKind),
    OtherLabels,
    OtherBuckets,
    ScaledCounter,
    Scale,
    BucketsOfNoHistogram,
    Buckets,
}

impl fmt::Display for InvalidProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row, source, target, ..
        } = self;
        write!(f, "row {row} of the profile, `{source}` to `{target}`: ")?;
        match &self.fault {
            Fault::NoSource => write!(f, "the source has no name"),
            Fault::TargetName => write!(
                f,
                "the target's name is not made of letters, digits, `_`, `:` and `.`, or begins with a digit"
            ),
            Fault::LabelName(name) => write!(
                f,
                "the label's name `{name}` is not made of letters, digits and `_`, or begins with a digit"
            ),
            Fault::LabelTwice(name) => write!(f, "the label `{name}` is there twice"),
            Fault::OtherKind(kind) => write!(f, "an earlier row makes the target a {}", word(*kind)),
            Fault::OtherLabels => write!(
                f,
                "an earlier row gives the target other labels, or another order of them"
            ),
            Fault::OtherBuckets => write!(f, "an earlier row gives the target other buckets"),
            Fault::ScaledCounter => write!(f, "a counter cannot be scaled"),
            Fault::Scale => write!(f, "the scale is not a positive number"),
            Fault::BucketsOfNoHistogram => write!(f, "only a histogram has buckets"),
            Fault::Buckets => write!(f, "the bounds of the buckets are not finite numbers that rise"),
        }
    }
}

impl Error for InvalidProfile {}

const fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

pub(super) fn check(rows: &[Row]) -> Result<(), InvalidProfile> {
    let mut firsts: HashMap<&str, &Row> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let first = firsts.entry(row.target).or_insert(row);
        if let Some(fault) = fault_of(row).or_else(|| fault_beside(row, first)) {
            return Err(InvalidProfile {
                row: index,
                source: row.source,
                target: row.target,
                fault,
            });
        }
    }
    Ok(())
}

/// What is wrong with a row by itself.
fn fault_of(row: &Row) -> Option<Fault> {
    if row.source.is_empty() {
        return Some(Fault::NoSource);
    }
    // A name with dots is one of statsd; an empty part would be lost there.
    if !row.target.split('.').all(|part| !part.is_empty()) || !is_name(row.target, b"_:.") {
        return Some(Fault::TargetName);
    }
    match (row.kind, row.scale) {
        (MetricKind::Counter, Some(_)) => return Some(Fault::ScaledCounter),
        (_, Some(scale)) if !(scale.is_finite() && scale > 0.0) => return Some(Fault::Scale),
        _ => {}
    }
    match (row.kind, row.buckets) {
        (MetricKind::Histogram, Some(bounds)) if !rise(bounds) => return Some(Fault::Buckets),
        (MetricKind::Counter | MetricKind::Gauge, Some(_)) => return Some(Fault::BucketsOfNoHistogram),
        _ => {}
    }
    row.labels.and_then(fault_of_labels)
}

fn fault_of_labels(labels: &[Label]) -> Option<Fault> {
    labels.iter().enumerate().find_map(|(index, label)| {
        if !is_name(label.name, b"_") {
            return Some(Fault::LabelName(label.name));
        }
        let twice = labels[..index].iter().any(|earlier| earlier.name == label.name);
        twice.then_some(Fault::LabelTwice(label.name))
    })
}

/// What is wrong with a row beside the first one of its target.
fn fault_beside(row: &Row, first: &Row) -> Option<Fault> {
    if row.kind != first.kind {
        return Some(Fault::OtherKind(first.kind));
    }
    // The order too: keys are equal in any order, so the first that is registered would decide for all.
    let names = |row: &Row| {
        row.labels
            .map(|labels| labels.iter().map(|label| label.name).collect::<Vec<_>>())
    };
    if names(row) != names(first) {
        return Some(Fault::OtherLabels);
    }
    (row.buckets != first.buckets).then_some(Fault::OtherBuckets)
}

fn is_name(name: &str, others: &[u8]) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn rise(bounds: &[f64]) -> bool {
    bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|left, right| left < right)
}
