//! How a line of each form looks.

use super::{
    escape::{push_escaped, push_part},
    number,
};

/// How a line spells labels.
///
/// | | a counter `requests_count_total{host="stock", view="a.b"}` below the prefix `shop` |
/// |---|---|
/// | [`Dotted`](Self::Dotted) | `shop.requests.count.stock.a.b:1\|c` |
/// | [`CommaTags`](Self::CommaTags) | `shop.requests_count_total,host=stock,view=a.b:1\|c` |
/// | [`DogStatsd`](Self::DogStatsd) | `shop.requests_count_total:1\|c\|#host:stock,view:a.b` |
///
/// What would break a line (`:`, `|`, `@`, `#`, blanks, controls, what is not ASCII; in tags `,` too and with commas
/// `=`) becomes `-`, an empty value `unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Names with dots for underscores, without a counter's `_total`, and the labels' values as further parts, in the
    /// order of the key. Milliseconds have six decimals.
    #[default]
    Dotted,
    /// Baseplate's: labels behind commas, numbers with six significant digits.
    CommaTags,
    /// Datadog's: labels behind `|#`.
    DogStatsd,
}

/// The form of all lines: format, prefix and constant tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    pub(super) format: Format,
    pub(super) prefix: String,
    pub(super) tags: Vec<(String, String)>,
}

/// What all lines of one series have in common, so that an event only adds its value.
#[derive(Debug)]
pub(super) struct SeriesLine {
    format: Format,
    /// All before the value, with the colon.
    name: Box<str>,
    /// All behind the type.
    tags: Box<str>,
}

impl Form {
    /// Makes the lines of a series. `part` stands behind the name, as in `.count`.
    pub(super) fn series<'a>(
        &self,
        name: &str,
        part: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> SeriesLine {
        let also = match self.format {
            Format::Dotted => "",
            Format::CommaTags => ",=",
            Format::DogStatsd => ",",
        };
        let mut line = String::new();
        if !self.prefix.is_empty() {
            // It was checked where nobody knew the form.
            push_escaped(&self.prefix, also, &mut line);
            line.push('.');
        }
        let mut tags = String::new();
        match self.format {
            Format::Dotted => {
                push_part(&name.replace('_', "."), &mut line);
                for (_, value) in labels {
                    line.push('.');
                    push_part(value, &mut line);
                }
                line.push_str(part);
            }
            Format::CommaTags => {
                push_escaped(name, also, &mut line);
                line.push_str(part);
                self.push_tags(labels, ",", '=', also, &mut line);
            }
            Format::DogStatsd => {
                push_escaped(name, also, &mut line);
                line.push_str(part);
                self.push_tags(labels, "|#", ':', also, &mut tags);
            }
        }
        line.push(':');
        SeriesLine {
            format: self.format,
            name: line.into(),
            tags: tags.into(),
        }
    }

    /// Makes the lines of a counter, whose `_total` the dotted form leaves out.
    pub(super) fn counter<'a>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> SeriesLine {
        let name = match self.format {
            Format::Dotted => name.strip_suffix("_total").unwrap_or(name),
            Format::CommaTags | Format::DogStatsd => name,
        };
        self.series(name, "", labels)
    }

    /// Constant tags come first, and give way to a label of the same name.
    fn push_tags<'a>(
        &self,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        first: &str,
        between: char,
        also: &str,
        line: &mut String,
    ) {
        let labels: Vec<_> = labels.collect();
        let constant = self.tags.iter().map(|(key, value)| (&**key, &**value));
        let constant = constant.filter(|(key, _)| labels.iter().all(|label| label.0 != *key));
        for (index, (key, value)) in constant.chain(labels.iter().copied()).enumerate() {
            line.push_str(if index == 0 { first } else { "," });
            push_escaped(key, also, line);
            line.push(between);
            push_escaped(value, also, line);
        }
    }
}

impl SeriesLine {
    pub(super) fn count(&self, value: u64, line: &mut String) {
        self.push("|c", line, |format, line| match format {
            #[expect(clippy::cast_precision_loss, reason = "six digits are kept")]
            Format::CommaTags => number::push_general(value as f64, line),
            Format::Dotted | Format::DogStatsd => number::push_integer(value, line),
        });
    }

    /// Counts by what is no whole number, such as a sum.
    pub(super) fn sum(&self, value: f64, line: &mut String) {
        self.push("|c", line, |format, line| push_value(format, value, line));
    }

    /// As [`Self::sum`], in milliseconds.
    pub(super) fn duration_sum(&self, milliseconds: f64, line: &mut String) {
        self.push("|c", line, |format, line| {
            push_milliseconds(format, milliseconds, line);
        });
    }

    /// Returns how many lines [`Self::gauge`] makes of a value.
    ///
    /// A daemon takes a signed value for a change of what it has, so a negative one is set by two lines: to zero, and
    /// down from there. Datadog's does not.
    pub(super) fn gauge_lines(&self, value: f64) -> u64 {
        if value < 0.0 && self.format != Format::DogStatsd {
            2
        } else {
            1
        }
    }

    pub(super) fn gauge(&self, value: f64, line: &mut String) {
        if self.gauge_lines(value) == 2 {
            self.push("|g", line, |_, line| line.push('0'));
            line.push('\n');
        }
        self.push("|g", line, |format, line| push_value(format, value, line));
    }

    pub(super) fn histogram(&self, value: f64, line: &mut String) {
        self.push("|h", line, |format, line| push_value(format, value, line));
    }

    pub(super) fn duration(&self, milliseconds: f64, line: &mut String) {
        self.push("|ms", line, |format, line| {
            push_milliseconds(format, milliseconds, line);
        });
    }

    fn push(&self, kind: &str, line: &mut String, value: impl FnOnce(Format, &mut String)) {
        line.push_str(&self.name);
        value(self.format, line);
        line.push_str(kind);
        line.push_str(&self.tags);
    }
}

fn push_value(format: Format, value: f64, line: &mut String) {
    match format {
        Format::CommaTags => number::push_general(value, line),
        Format::Dotted | Format::DogStatsd => number::push_shortest(value, line),
    }
}

fn push_milliseconds(format: Format, value: f64, line: &mut String) {
    match format {
        Format::Dotted => number::push_fixed(value, line),
        Format::CommaTags => number::push_general(value, line),
        // To the nanosecond: 0.07 s are 70 ms, and no 14th decimal of the multiplication.
        Format::DogStatsd if value.abs() < 1e9 => number::push_shortest((value * 1e6).round() / 1e6, line),
        Format::DogStatsd => number::push_shortest(value, line),
    }
}
