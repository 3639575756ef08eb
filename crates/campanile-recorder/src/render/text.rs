//! Renders the lines of a family.

use std::sync::Arc;

use super::{
    Format,
    name_conflicts::{NameConflicts, stem},
    number,
};
use crate::{Distribution, Family, MetricKind, Series, Value, exemplars::Exemplar};

/// The name and type of a family in a format.
pub(super) struct ExposedName<'a> {
    name: &'a str,
    kind: &'static str,
    /// The suffix of its samples.
    suffix: &'static str,
}

impl<'a> ExposedName<'a> {
    /// In OpenMetrics the samples of a counter end in `_total`, its family does not. A counter with a replacement name
    /// has the type `unknown` there, which allows no suffix.
    pub(super) fn new(family: &'a Family, format: Format, conflicts: &'a NameConflicts) -> Self {
        let replacement = conflicts.replacement(&family.name);
        let name = replacement.unwrap_or(&family.name);
        let (name, kind, suffix) = match (family.kind, format) {
            (MetricKind::Counter, Format::OpenMetrics) if replacement.is_some() => (name, "unknown", ""),
            (MetricKind::Counter, Format::OpenMetrics) => (stem(name), "counter", "_total"),
            (MetricKind::Counter, Format::Prometheus) => (name, "counter", ""),
            (MetricKind::Gauge, _) => (name, "gauge", ""),
            (MetricKind::Histogram, _) => (name, "histogram", ""),
        };
        Self { name, kind, suffix }
    }
}

/// Writes the metadata lines of a family.
pub(super) fn head(family: &Family, exposed: &ExposedName<'_>, format: Format, text: &mut String) {
    // OpenMetrics discourages families without samples.
    if family.series.is_empty() {
        return;
    }
    let name = exposed.name;
    if let Some(help) = family.help.as_deref().filter(|help| !help.is_empty()) {
        line(text, ["# HELP ", name, " "]);
        escape_help(help, format, text);
        text.push('\n');
    }
    line(text, ["# TYPE ", name, " "]);
    line(text, [exposed.kind, "\n", ""]);
    if format == Format::OpenMetrics
        && let Some(unit) = unit(family, name)
    {
        line(text, ["# UNIT ", name, " "]);
        text.push_str(unit);
        text.push('\n');
    }
}

/// Writes the samples of a series.
pub(super) fn series(
    series: &Series,
    exposed: &ExposedName<'_>,
    format: Format,
    bounds: &mut BoundTexts,
    text: &mut String,
) {
    let labels = series.labels.as_str();
    match &series.value {
        Value::Counter(value) => {
            sample(text, [exposed.name, exposed.suffix], labels);
            number::integer(*value, text);
            text.push('\n');
        }
        Value::Gauge(value) => {
            sample(text, [exposed.name, ""], labels);
            number::float(*value, text);
            text.push('\n');
        }
        Value::Histogram(distribution) => {
            histogram(
                exposed.name,
                labels,
                distribution,
                &series.exemplars,
                format,
                bounds,
                text,
            );
        }
    }
}

fn histogram(
    name: &str,
    labels: &str,
    distribution: &Distribution,
    exemplars: &[Option<Exemplar>],
    format: Format,
    bounds: &mut BoundTexts,
    text: &mut String,
) {
    let mut count = 0_u64;
    // `le` comes last: the formats do not prescribe an order, and the labels are rendered already.
    let comma = if labels.is_empty() { "" } else { "," };
    for (bucket, (bound, observations)) in bounds
        .of(&distribution.bounds, format)
        .iter()
        .zip(&distribution.counts)
        .enumerate()
    {
        count = count.wrapping_add(*observations);
        line(text, [name, "_bucket{", labels]);
        line(text, [comma, "le=\"", bound]);
        text.push_str("\"} ");
        number::integer(count, text);
        if let (Format::OpenMetrics, Some(Some(exemplar))) = (format, exemplars.get(bucket)) {
            self::exemplar(exemplar, text);
        }
        text.push('\n');
    }
    // OpenMetrics requires the sum to be a counter, so it allows none with negative bounds, and no count without a sum.
    if format == Format::OpenMetrics && distribution.bounds.first().is_some_and(|bound| *bound < 0.0) {
        return;
    }
    sample(text, [name, "_sum"], labels);
    number::float(distribution.sum, text);
    text.push('\n');
    sample(text, [name, "_count"], labels);
    number::integer(count, text);
    text.push('\n');
}

fn exemplar(exemplar: &Exemplar, text: &mut String) {
    line(text, [" # {", exemplar.labels.as_str(), "} "]);
    number::float(exemplar.value, text);
    text.push(' ');
    number::integer(exemplar.time / 1_000, text);
    text.push('.');
    let milliseconds = exemplar.time % 1_000;
    text.extend([100, 10, 1].map(|place| char::from(b'0' + (milliseconds / place % 10) as u8)));
}

/// Writes a sample up to its value.
fn sample(text: &mut String, [name, suffix]: [&str; 2], labels: &str) {
    text.push_str(name);
    text.push_str(suffix);
    if !labels.is_empty() {
        line(text, ["{", labels, "}"]);
    }
    text.push(' ');
}

fn line(text: &mut String, parts: [&str; 3]) {
    for part in parts {
        text.push_str(part);
    }
}

/// Returns the unit if the name ends with it, as OpenMetrics requires.
fn unit<'a>(family: &Family, name: &'a str) -> Option<&'a str> {
    let unit = family.unit?.as_str();
    let stem = name.strip_suffix(unit)?.strip_suffix('_')?;
    Some(&name[stem.len() + 1..])
}

fn escape_help(help: &str, format: Format, text: &mut String) {
    for character in help.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if format == Format::OpenMetrics => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

/// The rendered bounds of the last histogram. Most histograms share theirs.
#[derive(Debug, Default)]
pub(super) struct BoundTexts {
    bounds: Option<Arc<[f64]>>,
    texts: Vec<String>,
}

impl BoundTexts {
    fn of(&mut self, bounds: &Arc<[f64]>, format: Format) -> &[String] {
        if self.bounds.as_ref().is_none_or(|last| !Arc::ptr_eq(last, bounds)) {
            let text = |bound: &f64| {
                let mut text = String::new();
                number::bound(*bound, format, &mut text);
                text
            };
            self.texts = bounds.iter().map(text).collect();
            self.texts.push("+Inf".to_owned());
            self.bounds = Some(Arc::clone(bounds));
        }
        &self.texts
    }
}
