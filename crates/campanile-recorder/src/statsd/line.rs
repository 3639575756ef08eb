//! Writes lines in each format.

use super::{
    escape::{push_escaped, push_part},
    number,
};

/// How lines spell names and labels.
///
/// | | a counter `requests_count_total{host="stock", view="a.b"}` with the prefix `shop` |
/// |---|---|
/// | [`Dotted`](Self::Dotted) | `shop.requests.count.stock.a.b:1\|c` |
/// | [`CommaTags`](Self::CommaTags) | `shop.requests_count_total,host=stock,view=a.b:1\|c` |
/// | [`DogStatsd`](Self::DogStatsd) | `shop.requests_count_total:1\|c\|#host:stock,view:a.b` |
///
///
/// Characters that would break a line (`:`, `|`, `@`, `#`, blanks, controls, non-ASCII; in tags also `,`, and `=` in the
/// comma format) become `-`, and an empty value becomes `unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFormat {
    /// Names with dots for underscores and without a counter's `_total`, followed by the values of the labels in the order
    /// of the key. Milliseconds have six decimals.
    #[default]
    Dotted,
    /// Baseplate's format: labels after commas, numbers with six significant digits.
    CommaTags,
    /// Datadog's format: labels after `|#`.
    DogStatsd,
}

/// The format, prefix and constant tags of all lines.
#[derive(Clone, Debug, Default)]
pub(super) struct LineStyle {
    pub(super) format: LineFormat,
    pub(super) prefix: String,
    pub(super) tags: Vec<(String, String)>,
}

/// The constant part of the lines of one series, so that an event only writes its value.
#[derive(Debug)]
pub(super) struct SeriesLine {
    format: LineFormat,
    /// Everything before the value, including the colon.
    name: Box<str>,
    /// Everything after the type.
    tags: Box<str>,
}

impl LineStyle {
    /// Creates the lines of a series. `part` follows the name, as in `.count`.
    pub(super) fn series<'a>(
        &self,
        name: &str,
        part: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> SeriesLine {
        let also = match self.format {
            LineFormat::Dotted => "",
            LineFormat::CommaTags => ",=",
            LineFormat::DogStatsd => ",",
        };
        let mut line = String::new();
        if !self.prefix.is_empty() {
            // The prefix was validated without regard to the format.
            push_escaped(&self.prefix, also, &mut line);
            line.push('.');
        }
        let mut tags = String::new();
        match self.format {
            LineFormat::Dotted => {
                push_part(&name.replace('_', "."), &mut line);
                for (_, value) in labels {
                    line.push('.');
                    push_part(value, &mut line);
                }
                line.push_str(part);
            }
            LineFormat::CommaTags => {
                push_escaped(name, also, &mut line);
                line.push_str(part);
                self.push_tags(labels, ",", '=', also, &mut line);
            }
            LineFormat::DogStatsd => {
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

    /// Creates the lines of a counter, without its `_total` in the dotted format.
    pub(super) fn counter<'a>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> SeriesLine {
        let name = match self.format {
            LineFormat::Dotted => name.strip_suffix("_total").unwrap_or(name),
            LineFormat::CommaTags | LineFormat::DogStatsd => name,
        };
        self.series(name, "", labels)
    }

    /// Writes constant tags, then labels. A label replaces a constant tag of the same name.
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
            LineFormat::CommaTags => number::push_general(value as f64, line),
            LineFormat::Dotted | LineFormat::DogStatsd => number::push_integer(value, line),
        });
    }

    /// Writes an increment that is not an integer, such as a sum.
    pub(super) fn sum(&self, value: f64, line: &mut String) {
        self.push("|c", line, |format, line| push_value(format, value, line));
    }

    /// Like [`Self::sum`], in milliseconds.
    pub(super) fn duration_sum(&self, milliseconds: f64, line: &mut String) {
        self.push("|c", line, |format, line| {
            push_milliseconds(format, milliseconds, line);
        });
    }

    /// Returns the number of lines that [`Self::gauge`] writes for a value.
    ///
    /// Daemons take a signed value for a change, so a negative one is set by two lines: zero, then the decrement.
    /// Datadog's daemon does not.
    pub(super) fn gauge_lines(&self, value: f64) -> u64 {
        if value < 0.0 && self.format != LineFormat::DogStatsd {
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

    fn push(&self, kind: &str, line: &mut String, value: impl FnOnce(LineFormat, &mut String)) {
        line.push_str(&self.name);
        value(self.format, line);
        line.push_str(kind);
        line.push_str(&self.tags);
    }
}

fn push_value(format: LineFormat, value: f64, line: &mut String) {
    match format {
        LineFormat::CommaTags => number::push_general(value, line),
        LineFormat::Dotted | LineFormat::DogStatsd => number::push_shortest(value, line),
    }
}

fn push_milliseconds(format: LineFormat, value: f64, line: &mut String) {
    match format {
        LineFormat::Dotted => number::push_fixed(value, line),
        LineFormat::CommaTags => number::push_general(value, line),
        // Rounded to nanoseconds: 0.07 s are 70 ms, without the rounding error of the multiplication.
        LineFormat::DogStatsd if value.abs() < 1e9 => {
            number::push_shortest((value * 1e6).round() / 1e6, line)
        }
        LineFormat::DogStatsd => number::push_shortest(value, line),
    }
}
