//! Records in sources and checks the targets.

use campanile_recorder::profile::Profile;

use super::support::{Recording, counter, gauge, histogram};

/// A source, and the expected records in the inner recorder.
pub(super) type Case<'a> = (&'a str, &'a [&'a str]);

pub(super) fn check_counters(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        counter(&profile.over(recording.clone()), source).increment(1);
        assert_eq!(recording.recorded(), *expected, "from {source}");
    }
}

/// Records 0.5.
pub(super) fn check_histograms(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        histogram(&profile.over(recording.clone()), source).record(0.5);
        assert_eq!(recording.recorded(), *expected, "from {source}");
    }
}

pub(super) fn check_gauges(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        gauge(&profile.over(recording.clone()), source).increment(2.0);
        assert_eq!(recording.recorded(), *expected, "from {source}");
    }
}

pub(super) fn bucket_counts(profile: &Profile) -> Vec<(&'static str, usize)> {
    profile
        .buckets()
        .map(|(name, bounds)| (name, bounds.len()))
        .collect()
}
