//! Settings for metrics selected by name.

use crate::labels::{valid_metric_name, valid_metric_suffix};

/// Selects metrics by name.
///
/// Names are compared as they are rendered, and the pattern is made valid in the same way: `queue.wait` matches a metric
/// registered as `queue.wait` or as `queue_wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matcher {
    /// Matches the metric with this name.
    Name(String),
    /// Matches metrics whose names start with this prefix.
    Prefix(String),
    /// Matches metrics whose names end with this suffix.
    Suffix(String),
}

impl Matcher {
    /// Creates a matcher of one name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// Creates a matcher of a prefix.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::Prefix(prefix.into())
    }

    /// Creates a matcher of a suffix.
    pub fn suffix(suffix: impl Into<String>) -> Self {
        Self::Suffix(suffix.into())
    }

    /// Makes the pattern valid in the way that names are.
    fn valid(self) -> Self {
        match self {
            Self::Name(name) => Self::Name(valid_metric_name(&name).into_owned()),
            // The empty prefix matches everything and must stay empty.
            Self::Prefix(prefix) if prefix.is_empty() => Self::Prefix(prefix),
            Self::Prefix(prefix) => Self::Prefix(valid_metric_name(&prefix).into_owned()),
            Self::Suffix(suffix) => Self::Suffix(valid_metric_suffix(&suffix)),
        }
    }

    /// Returns how specifically the matcher matches: names before prefixes before suffixes, longer before shorter.
    fn specificity(&self, metric: &str) -> Option<(u8, usize)> {
        match self {
            Self::Name(name) => (metric == name).then_some((2, 0)),
            Self::Prefix(prefix) => metric.starts_with(&**prefix).then_some((1, prefix.len())),
            Self::Suffix(suffix) => metric.ends_with(&**suffix).then_some((0, suffix.len())),
        }
    }
}

/// Values for metrics by name. The most specific matcher wins, among equals the last one.
#[derive(Debug, Clone)]
pub(crate) struct MatchRules<T>(Vec<(Matcher, T)>);

impl<T> Default for MatchRules<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> MatchRules<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, matcher: Matcher, value: T) {
        self.0.push((matcher.valid(), value));
    }

    pub(crate) fn find(&self, metric: &str) -> Option<&T> {
        self.0
            .iter()
            .filter_map(|(matcher, value)| Some((matcher.specificity(metric)?, value)))
            .max_by_key(|(specificity, _)| *specificity)
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_matcher_wins_and_among_equals_the_last() {
        let mut rules = MatchRules::new();
        for (index, matcher) in [
            Matcher::suffix("_seconds"),
            Matcher::prefix("http_"),
            Matcher::prefix("http_server_"),
            Matcher::name("http_server_wait_seconds"),
            Matcher::suffix("_seconds"),
        ]
        .into_iter()
        .enumerate()
        {
            rules.add(matcher, index);
        }
        assert_eq!(rules.find("http_server_wait_seconds"), Some(&3));
        assert_eq!(rules.find("http_server_busy_seconds"), Some(&2));
        assert_eq!(rules.find("http_client_busy_seconds"), Some(&1));
        assert_eq!(rules.find("busy_seconds"), Some(&4));
        assert_eq!(rules.find("busy"), None);
    }

    #[test]
    fn patterns_are_made_valid_but_empty_ones_stay_empty() {
        let mut rules = MatchRules::new();
        rules.add(Matcher::suffix(""), 0);
        rules.add(Matcher::prefix(""), 1);
        rules.add(Matcher::suffix("2.x"), 2);
        rules.add(Matcher::prefix("9-"), 3);
        rules.add(Matcher::name("9.a é"), 4);
        assert_eq!(rules.find("_9_a__"), Some(&4));
        assert_eq!(rules.find("_9_b"), Some(&3));
        assert_eq!(rules.find("b"), Some(&1));
        rules.0.remove(1);
        assert_eq!(rules.find("b2_x"), Some(&2));
        assert_eq!(rules.find("b"), Some(&0));
    }
}
