//! Validates the rows of a profile.

use std::{collections::HashMap, error::Error, fmt};

use super::{Label, Row};
use crate::MetricKind;

/// An error in the rows of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    row: usize,
    source: &'static str,
    target: &'static str,
    reason: InvalidReason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum InvalidReason {
    EmptySource,
    TargetName,
    LabelName(&'static str),
    DuplicateLabel(&'static str),
    OtherKind(MetricKind),
    OtherLabels,
    OtherBuckets,
    ScaledCounter,
    Scale,
    BucketsWithoutHistogram,
    Buckets,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row, source, target, ..
        } = self;
        write!(f, "row {row} of the profile, `{source}` to `{target}`: ")?;
        match &self.reason {
            InvalidReason::EmptySource => write!(f, "the source name is empty"),
            InvalidReason::TargetName => write!(
                f,
                "the target name must consist of letters, digits, `_`, `:` and `.`, without empty parts, and not start \
                 with a digit"
            ),
            InvalidReason::LabelName(name) => write!(
                f,
                "the label name `{name}` must consist of letters, digits and `_`, and not start with a digit"
            ),
            InvalidReason::DuplicateLabel(name) => write!(f, "duplicate label `{name}`"),
            InvalidReason::OtherKind(kind) => {
                let kind = match kind {
                    MetricKind::Counter => "counter",
                    MetricKind::Gauge => "gauge",
                    MetricKind::Histogram => "histogram",
                };
                write!(f, "in an earlier row the target is a {kind}")
            }
            InvalidReason::OtherLabels => write!(
                f,
                "in an earlier row the target has other labels, or another order of them"
            ),
            InvalidReason::OtherBuckets => write!(f, "in an earlier row the target has other buckets"),
            InvalidReason::ScaledCounter => write!(f, "a counter cannot be scaled"),
            InvalidReason::Scale => write!(f, "the scale must be a positive number"),
            InvalidReason::BucketsWithoutHistogram => write!(f, "only a histogram has buckets"),
            InvalidReason::Buckets => write!(f, "the bucket bounds must be finite and ascending"),
        }
    }
}

impl Error for ProfileError {}

pub(super) fn validate(rows: &[Row]) -> Result<(), ProfileError> {
    let mut firsts: HashMap<&str, &Row> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let first = firsts.entry(row.target).or_insert(row);
        if let Some(reason) = validate_row(row).or_else(|| validate_target(row, first)) {
            return Err(ProfileError {
                row: index,
                source: row.source,
                target: row.target,
                reason,
            });
        }
    }
    Ok(())
}

/// Validates a row by itself.
fn validate_row(row: &Row) -> Option<InvalidReason> {
    if row.source.is_empty() {
        return Some(InvalidReason::EmptySource);
    }
    // In a dotted statsd name an empty part would be lost.
    if !row.target.split('.').all(|part| !part.is_empty()) || !is_name(row.target, b"_:.") {
        return Some(InvalidReason::TargetName);
    }
    match (row.kind, row.scale) {
        (MetricKind::Counter, Some(_)) => return Some(InvalidReason::ScaledCounter),
        (_, Some(scale)) if !(scale.is_finite() && scale > 0.0) => return Some(InvalidReason::Scale),
        _ => {}
    }
    match (row.kind, row.buckets) {
        (MetricKind::Histogram, Some(bounds)) if !is_ascending(bounds) => {
            return Some(InvalidReason::Buckets);
        }
        (MetricKind::Counter | MetricKind::Gauge, Some(_)) => {
            return Some(InvalidReason::BucketsWithoutHistogram);
        }
        _ => {}
    }
    row.labels.and_then(validate_labels)
}

fn validate_labels(labels: &[Label]) -> Option<InvalidReason> {
    labels.iter().enumerate().find_map(|(index, label)| {
        if !is_name(label.name, b"_") {
            return Some(InvalidReason::LabelName(label.name));
        }
        let is_duplicate = labels[..index].iter().any(|earlier| earlier.name == label.name);
        is_duplicate.then_some(InvalidReason::DuplicateLabel(label.name))
    })
}

/// Compares a row with the first one of its target.
fn validate_target(row: &Row, first: &Row) -> Option<InvalidReason> {
    if row.kind != first.kind {
        return Some(InvalidReason::OtherKind(first.kind));
    }
    // Including their order: keys are equal in any order, so that of the first registration would win.
    let names = |row: &Row| {
        row.labels
            .map(|labels| labels.iter().map(|label| label.name).collect::<Vec<_>>())
    };
    if names(row) != names(first) {
        return Some(InvalidReason::OtherLabels);
    }
    (row.buckets != first.buckets).then_some(InvalidReason::OtherBuckets)
}

fn is_name(name: &str, others: &[u8]) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn is_ascending(bounds: &[f64]) -> bool {
    bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|left, right| left < right)
}
