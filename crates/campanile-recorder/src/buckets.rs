//! The default buckets of histograms, by name or unit.

use std::sync::Arc;

use metrics::Unit;

use crate::{
    bounds::Bounds,
    matcher::{MatchRules, Matcher},
    source_names::server,
};

/// Durations in seconds: 0.005 to 10 as in the semantic conventions, and finer ones below.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Durations that may include streaming.
const LONG_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    30.0, 60.0, 300.0,
];
/// Sizes in bytes: 0, 256 B, 1 KiB, then times 4 up to 64 MiB.
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
/// Anything else: 1, 2.5 and 5 per decade.
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

/// The buckets of histograms.
#[derive(Debug)]
pub(crate) struct BucketRules {
    rules: MatchRules<Arc<Bounds>>,
    /// Used if no rule that the application set matches, however specific.
    built_in: MatchRules<Arc<Bounds>>,
    seconds: Arc<Bounds>,
    bytes: Arc<Bounds>,
    percent: Arc<Bounds>,
    other: Arc<Bounds>,
    milliseconds: Arc<Bounds>,
}

impl BucketRules {
    pub(crate) fn new() -> Self {
        let mut built_in = MatchRules::new();
        built_in.add(
            Matcher::name(server::RESPONSE_DURATION),
            Arc::new(Bounds::new(LONG_SECONDS)),
        );
        let milliseconds: Vec<f64> = SECONDS.iter().map(|bound| bound * 1_000.0).collect();
        Self {
            rules: MatchRules::new(),
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

    /// Returns the buckets of a histogram: by its name, otherwise by its unit, otherwise by the suffix of its name.
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
    fn units_select_buckets_if_no_rule_does() {
        let buckets = BucketRules::new();
        let last = |name, unit| buckets.find(name, unit).as_slice().last().copied();
        assert_eq!(last("x", Some(Unit::Seconds)), Some(10.0));
        assert_eq!(last("x_seconds", None), Some(10.0));
        assert_eq!(last("x", Some(Unit::Milliseconds)), Some(10_000.0));
        assert_eq!(last("x_bytes", None), Some(67_108_864.0));
        assert_eq!(last(server::RESPONSE_DURATION, Some(Unit::Seconds)), Some(300.0));
        assert_eq!(last("x", None), Some(1_000_000.0));
    }
}
