//! The lines of a family.

use std::sync::Arc;

use super::{
    Format,
    clashes::{Clashes, stem},
    number,
};
use crate::{Distribution, Family, Kind, Series, Value, exemplars::Exemplar};

/// How a family is spelled in a format.
pub(super) struct Spelling<'a> {
    name: &'a str,
    kind: &'static str,
    /// What samples have behind the name.
    ending: &'static str,
}

impl<'a> Spelling<'a> {
    /// In OpenMetrics a counter's family has no ending, and its samples have. A counter that has another name there is
    /// `unknown`, for nothing may stand behind that.
    pub(super) fn new(family: &'a Family, format: Format, clashes: &'a Clashes) -> Self {
        let instead = clashes.find(&family.name);
        let name = instead.unwrap_or(&family.name);
        let (name, kind, ending) = match (family.kind, format) {
            (Kind::Counter, Format::OpenMetrics) if instead.is_some() => (name, "unknown", ""),
            (Kind::Counter, Format::OpenMetrics) => (stem(name), "counter", "_total"),
            (Kind::Counter, Format::Prometheus) => (name, "counter", ""),
            (Kind::Gauge, _) => (name, "gauge", ""),
            (Kind::Histogram, _) => (name, "histogram", ""),
        };
        Self { name, kind, ending }
    }
}

/// Writes what stands above a family's series.
pub(super) fn head(family: &Family, spelling: &Spelling<'_>, format: Format, text: &mut String) {
    // OpenMetrics does not allow a family without series to be told from one that was forgotten; neither says anything.
    if family.series.is_empty() {
        return;
    }
    let name = spelling.name;
    if let Some(help) = family.help.as_deref().filter(|help| !help.is_empty()) {
        line(text, ["# HELP ", name, " "]);
        escape_help(help, format, text);
        text.push('\n');
    }
    line(text, ["# TYPE ", name, " "]);
    line(text, [spelling.kind, "\n", ""]);
    if format == Format::OpenMetrics
        && let Some(unit) = unit(family, name)
    {
        line(text, ["# UNIT ", name, " "]);
        text.push_str(unit);
        text.push('\n');
    }
}

/// Writes the lines of a series.
pub(super) fn series(
    series: &Series,
    spelling: &Spelling<'_>,
    format: Format,
    bounds: &mut BoundTexts,
    text: &mut String,
) {
    let labels = series.labels.as_str();
    match &series.value {
        Value::Counter(value) => {
            sample(text, [spelling.name, spelling.ending], labels);
            number::integer(*value, text);
            text.push('\n');
        }
        Value::Gauge(value) => {
            sample(text, [spelling.name, ""], labels);
            number::float(*value, text);
            text.push('\n');
        }
        Value::Histogram(distribution) => {
            histogram(
                spelling.name,
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
    // `le` stands last: the formats do not care, and the labels stay one text.
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
    // What can fall is no counter, so OpenMetrics allows no sum where bounds are negative, and no count without a sum.
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

/// Writes all of a sample but its value.
fn sample(text: &mut String, [name, ending]: [&str; 2], labels: &str) {
    text.push_str(name);
    text.push_str(ending);
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

/// The unit, if the name ends with it: OpenMetrics refuses any other.
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

/// The texts of the bounds that were written last: most histograms share theirs.
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
