//! Parser of single lines of the
//! [Prometheus text format](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
//!
//! It reads samples with a finite value and skips everything else, since the text comes from a callback.

use std::borrow::Cow;

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MetricLine<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Labels<'a>,
    pub(super) value: f64,
}

/// The labels of a sample, as written between the braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels<'a>(&'a str);

impl<'a> MetricLine<'a> {
    /// Parses a line. Returns `None` for comments, blank and malformed lines.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let name = &line[..line.find(|c: char| !is_name_char(c)).unwrap_or(line.len())];
        if name.is_empty() {
            return None;
        }
        let rest = line[name.len()..].trim_start();
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_at(closing_brace(rest)?),
            None => ("", rest),
        };
        let value = rest.strip_prefix('}').unwrap_or(rest).split_whitespace().next()?;
        let value: f64 = value.parse().ok()?;
        value.is_finite().then_some(Self {
            name,
            labels: Labels(labels),
            value,
        })
    }
}

impl<'a> Labels<'a> {
    /// Returns the unescaped value of the first label of this name.
    pub(super) fn get(self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.0;
        loop {
            let (label, after) = rest.split_once('=')?;
            let after = after.trim_start().strip_prefix('"')?;
            let end = closing_quote(after)?;
            if label.trim_matches(|c: char| c == ',' || c.is_whitespace()) == name {
                return Some(unescape(&after[..end]));
            }
            rest = &after[end + 1..];
        }
    }
}

fn is_name_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == ':'
}

/// Returns the position of the closing brace, which is not quoted.
fn closing_brace(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + text[at..].find(['"', '}'])?;
        if text.as_bytes()[found] == b'}' {
            return Some(found);
        }
        at = found + 1;
        at += closing_quote(&text[at..])? + 1;
    }
}

/// Returns the position of the closing quote.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some(escaped @ ('\\' | '"')) => plain.push(escaped),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_parsed() {
        let line =
            MetricLine::parse(r#"hits_total{a="1",b="x}\"y\\\n"} 12.5 1700000000 # {id="x"} 1"#).unwrap();
        assert_eq!((line.name, line.value), ("hits_total", 12.5));
        assert_eq!(line.labels.get("a").as_deref(), Some("1"));
        assert_eq!(line.labels.get("b").as_deref(), Some("x}\"y\\\n"));
        assert_eq!(line.labels.get("c"), None);
        let line = MetricLine::parse("up 1").unwrap();
        assert_eq!((line.name, line.value, line.labels), ("up", 1.0, Labels("")));
        let line = MetricLine::parse("up { a = \"b\" , } 1e3").unwrap();
        assert_eq!(line.labels.get("a").as_deref(), Some("b"));
        assert_eq!(line.value, 1000.0);
    }

    #[test]
    fn malformed_lines_are_skipped() {
        for line in [
            "",
            "# TYPE up gauge",
            "up",
            "up one",
            "up NaN",
            "up +Inf",
            "up{a=\"b\" 1",
            "up{a=\"b} 1",
            "up{a=\"b\\\"} 1",
            "{a=\"b\"} 1",
            "é 1",
        ] {
            assert_eq!(MetricLine::parse(line), None, "{line}");
        }
        for labels in ["a", "a=b", "=\"\"", "a=\"b", "\"\"\"=\"", "é=\"é"] {
            assert_eq!(Labels(labels).get("x"), None, "{labels}");
        }
    }
}
