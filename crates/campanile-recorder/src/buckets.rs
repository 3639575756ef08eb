//! Which buckets a histogram has: by name, else by unit.

use std::sync::Arc;

use metrics::Unit;

use crate::{
    bounds::Bounds,
    labels::{valid_metric_ending, valid_metric_name},
    layers::server,
};

/// Seconds: fine below the semantic conventions' 0.005 to 10, which most services stay below.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// The same, for what may stream for long.
const LONG_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    30.0, 60.0, 300.0,
];
/// Nothing, 256 B, 1 KiB, and times 4 up to 64 MiB.
const BYTES: &[f64] = &[
    0.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const PERCENT: &[f64] = &[1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 100.0];
/// What nothing is known of: 1, 2.5 and 5 of each decade.
const OTHER: &[f64] = &[
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    10_000.0,
    100_000.0,
    1_000_000.0,
];

/// Which metrics a setting is for.
///
/// It is of names as they are rendered, and is itself made valid like them where it is set: `queue.wait` matches what is
/// registered as `queue.wait` or as `queue_wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matcher {
    /// The metric of this name.
    Name(String),
    /// Metrics whose names begin so.
    Prefix(String),
    /// Metrics whose names end so.
    Suffix(String),
}

impl Matcher {
    /// Makes a matcher of one name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// Makes a matcher of the beginning of names.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::Prefix(prefix.into())
    }

    /// Makes a matcher of the end of names.
    pub fn suffix(suffix: impl Into<String>) -> Self {
        Self::Suffix(suffix.into())
    }

    /// Spells it as names are spelled when they are looked up.
    fn valid(self) -> Self {
        match self {
            Self::Name(name) => Self::Name(valid_metric_name(&name).into_owned()),
            // What begins with nothing is everything.
            Self::Prefix(prefix) if prefix.is_empty() => Self::Prefix(prefix),
            Self::Prefix(prefix) => Self::Prefix(valid_metric_name(&prefix).into_owned()),
            Self::Suffix(suffix) => Self::Suffix(valid_metric_ending(&suffix)),
        }
    }

    /// How well it matches: a name is closer than a beginning, a long beginning closer than a short one.
    fn closeness(&self, metric: &str) -> Option<(u8, usize)> {
        match self {
            Self::Name(name) => (metric == name).then_some((2, 0)),
            Self::Prefix(prefix) => metric.starts_with(&**prefix).then_some((1, prefix.len())),
            Self::Suffix(suffix) => metric.ends_with(&**suffix).then_some((0, suffix.len())),
        }
    }
}

/// Settings for metrics by name. The closest matcher counts; among equals the last.
#[derive(Debug, Clone)]
pub(crate) struct Rules<T>(Vec<(Matcher, T)>);

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Rules<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, matcher: Matcher, value: T) {
        self.0.push((matcher.valid(), value));
    }

    pub(crate) fn find(&self, metric: &str) -> Option<&T> {
        self.0
            .iter()
            .filter_map(|(matcher, value)| Some((matcher.closeness(metric)?, value)))
            .max_by_key(|(closeness, _)| *closeness)
            .map(|(_, value)| value)
    }
}

/// Which buckets histograms have.
#[derive(Debug)]
pub(crate) struct Buckets {
    rules: Rules<Arc<Bounds>>,
    /// Asked after all that is set, however close it matches.
    built_in: Rules<Arc<Bounds>>,
    seconds: Arc<Bounds>,
    bytes: Arc<Bounds>,
    percent: Arc<Bounds>,
    other: Arc<Bounds>,
    milliseconds: Arc<Bounds>,
}

impl Buckets {
    pub(crate) fn new() -> Self {
        let mut built_in = Rules::new();
        built_in.add(
            Matcher::name(server::RESPONSE_DURATION),
            Arc::new(Bounds::new(LONG_SECONDS)),
        );
        let milliseconds: Vec<f64> = SECONDS.iter().map(|bound| bound * 1_000.0).collect();
        Self {
            rules: Rules::new(),
            built_in,
            seconds: Arc::new(Bounds::new(SECONDS)),
            bytes: Arc::new(Bounds::new(BYTES)),
            percent: Arc::new(Bounds::new(PERCENT)),
            other: Arc::new(Bounds::new(OTHER)),
            milliseconds: Arc::new(Bounds::new(&milliseconds)),
        }
    }

    pub(crate) fn set(&mut self, matcher: Matcher, bounds: &[f64]) {
        self.rules.add(matcher, Arc::new(Bounds::new(bounds)));
    }

    /// The buckets of a histogram: as set for its name, else by its unit, else by the unit that its name ends with.
    pub(crate) fn find(&self, name: &str, unit: Option<Unit>) -> Arc<Bounds> {
        if let Some(bounds) = self.rules.find(name).or_else(|| self.built_in.find(name)) {
            return Arc::clone(bounds);
        }
        let by_unit = match unit {
            Some(Unit::Seconds) => Some(&self.seconds),
            Some(Unit::Milliseconds) => Some(&self.milliseconds),
            Some(Unit::Bytes) => Some(&self.bytes),
            Some(Unit::Percent) => Some(&self.percent),
            _ => None,
        };
        let by_name = || match name {
            name if name.ends_with("_seconds") => &self.seconds,
            name if name.ends_with("_milliseconds") || name.ends_with("_ms") => &self.milliseconds,
            name if name.ends_with("_bytes") => &self.bytes,
            name if name.ends_with("_percent") => &self.percent,
            _ => &self.other,
        };
        Arc::clone(by_unit.unwrap_or_else(by_name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_matcher_counts_and_among_equals_the_last() {
        let mut rules = Rules::new();
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
    fn matchers_are_made_valid_as_names_are_but_nothing_stays_nothing() {
        let mut rules = Rules::new();
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

    #[test]
    fn units_choose_where_no_rule_does() {
        let buckets = Buckets::new();
        let last = |name, unit| buckets.find(name, unit).as_slice().last().copied();
        assert_eq!(last("x", Some(Unit::Seconds)), Some(10.0));
        assert_eq!(last("x_seconds", None), Some(10.0));
        assert_eq!(last("x", Some(Unit::Milliseconds)), Some(10_000.0));
        assert_eq!(last("x_bytes", None), Some(67_108_864.0));
        assert_eq!(last(server::RESPONSE_DURATION, Some(Unit::Seconds)), Some(300.0));
        assert_eq!(last("x", None), Some(1_000_000.0));
    }
}
