//! Labels in the canonical form in which they are stored, compared and rendered.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use crate::MetricKind;

/// The beginning of label names that Prometheus reserves.
const RESERVED: &str = "__";

/// The labels of a series as text, `a="b",c="d"`: sorted by name, values escaped as in Prometheus' text format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// Creates labels from pairs in any order.
    ///
    /// Characters that are not allowed in a label name become `_`. Of pairs with the same name the last wins.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::from_valid(pairs.into_iter().map(|(name, value)| (valid_name(name), value)))
    }

    fn from_valid<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, &'a str)>) -> Self {
        let mut pairs: Vec<(Cow<'a, str>, &str)> = pairs.collect();
        // Stable, so that of equal names the later pair comes last.
        pairs.sort_by(|left, right| left.0.cmp(&right.0));
        let mut text = String::new();
        for (index, (name, value)) in pairs.iter().enumerate() {
            if pairs.get(index + 1).is_some_and(|next| next.0 == *name) {
                continue;
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            text.push_str("=\"");
            escape(value, &mut text);
            text.push('"');
        }
        Self(text.into())
    }

    /// Creates the labels of a series, as [`Self::new`].
    ///
    /// Labels that the text formats add themselves are renamed with the prefix `exported_`, as Prometheus does for
    /// scraped labels: Prometheus rejects a text in which a label occurs twice. So are labels that begin with `__`, which
    /// Prometheus reserves and drops: series that differ in them only would become duplicates.
    pub(crate) fn for_series<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        kind: MetricKind,
    ) -> Self {
        Self::from_valid(pairs.into_iter().map(|(name, value)| {
            let name = valid_name(name);
            let exported = name.starts_with(RESERVED) || *name == *"le" && kind == MetricKind::Histogram;
            (
                if exported {
                    Cow::Owned(format!("exported_{name}"))
                } else {
                    name
                },
                value,
            )
        }))
    }

    /// Returns the labels as those of a series, if they are not already: a file can have been written by an older version.
    pub(crate) fn into_series(self, kind: MetricKind) -> Self {
        let reserved = self.0.contains(RESERVED) || kind == MetricKind::Histogram && self.0.contains("le=\"");
        if !reserved {
            return self;
        }
        let pairs: Vec<_> = self.iter().collect();
        Self::for_series(pairs.iter().map(|(name, value)| (*name, &**value)), kind)
    }

    fn has_empty(&self) -> bool {
        // Quotes in a value are escaped.
        self.0.contains("=\"\"")
    }

    /// Returns the labels without empty ones.
    fn without_empty(&self) -> Self {
        let pairs: Vec<_> = self.iter().filter(|(_, value)| !value.is_empty()).collect();
        Self::new(pairs.iter().map(|(name, value)| (*name, &**value)))
    }

    /// Parses labels in the form of [`Self::as_str`]; `None` if the text is not in canonical form.
    pub fn parse(text: &str) -> Option<Self> {
        let labels = Self(text.into());
        let mut pairs = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, value, after) = split_pair(rest)?;
            pairs.push((name, unescape(value)));
            rest = after;
            if let Some(next) = rest.strip_prefix(',') {
                if next.is_empty() {
                    return None;
                }
                rest = next;
            } else if !rest.is_empty() {
                return None;
            }
        }
        // Canonical if creating the labels from their pairs gives the same text.
        let again = Self::new(pairs.iter().map(|(name, value)| (*name, value.as_ref())));
        (again == labels).then_some(labels)
    }

    /// Returns the labels as text, without braces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns names and unescaped values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (name, value, after) = split_pair(rest)?;
            rest = after.strip_prefix(',').unwrap_or(after);
            Some((name, unescape(value)))
        })
    }
}

/// The labels of a metric's series that have an empty one.
///
/// To Prometheus an empty label is none, so that labels which differ in that only are those of one series.
#[derive(Debug, Default)]
pub(crate) struct EmptyLabels(BTreeMap<Labels, Labels>);

impl EmptyLabels {
    /// Adds the labels of a new series.
    pub(crate) fn add(&mut self, labels: &Labels) {
        if labels.has_empty() {
            self.0.insert(labels.without_empty(), labels.clone());
        }
    }

    /// Returns the labels of a series that is the same to Prometheus, apart from those given.
    pub(crate) fn find(&self, labels: &Labels, exists: impl Fn(&Labels) -> bool) -> Option<Labels> {
        if !labels.has_empty() {
            return self.0.get(labels).cloned();
        }
        let short = labels.without_empty();
        match self.0.get(&short) {
            Some(other) => Some(other.clone()),
            None => exists(&short).then_some(short),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

/// Replaces the characters that are not allowed in a metric name by `_`.
pub(crate) fn valid_metric_name(name: &str) -> Cow<'_, str> {
    valid(name, |byte| byte == b':')
}

/// Makes the suffix of a metric name valid.
pub(crate) fn valid_metric_suffix(suffix: &str) -> String {
    // After another character, since a suffix may start with a digit.
    valid_metric_name(&format!("_{suffix}"))[1..].to_owned()
}

fn valid_name(name: &str) -> Cow<'_, str> {
    valid(name, |_| false)
}

fn valid(name: &str, also: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let fits = |index: usize, byte: u8| {
        byte.is_ascii_alphabetic() || byte == b'_' || also(byte) || index > 0 && byte.is_ascii_digit()
    };
    if !name.is_empty() && name.bytes().enumerate().all(|(index, byte)| fits(index, byte)) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len() + 1);
    if name.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
        text.push('_');
    }
    text.extend(name.chars().map(|character| match u8::try_from(character) {
        Ok(byte) if fits(1, byte) => character,
        _ => '_',
    }));
    Cow::Owned(text)
}

fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// Splits `name="value"rest`. The value stays escaped.
fn split_pair(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_once("=\"")?;
    let mut escaped = false;
    let end = after.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((name, &after[..end], &after[end + 1..]))
}

fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_escaped_and_read_back() {
        let labels = Labels::new([("b", "x\\y\"z\n"), ("a", ""), ("9-é", "é")]);
        assert_eq!(labels.as_str(), "_9__=\"é\",a=\"\",b=\"x\\\\y\\\"z\\n\"");
        let pairs: Vec<_> = labels
            .iter()
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("_9__", "é"), ("a", ""), ("b", "x\\y\"z\n")]);
        assert_eq!(Labels::parse(labels.as_str()), Some(labels));
        assert_eq!(Labels::new([("a", "1"), ("a", "2")]).as_str(), "a=\"2\"");
    }

    #[test]
    fn only_the_canonical_form_is_parsed() {
        for text in [
            "a",
            "a=",
            "a=\"",
            "a=\"b",
            "a=\"b\",",
            "b=\"\",a=\"\"",
            "a=\"b\"c=\"d\"",
            "a=\"\\x\"",
            "é=\"\"",
            "a=\"\",a=\"\"",
        ] {
            assert_eq!(Labels::parse(text), None, "{text}");
        }
        assert_eq!(Labels::parse(""), Some(Labels::new([])));
    }
}
