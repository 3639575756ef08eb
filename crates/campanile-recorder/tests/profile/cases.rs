//! Rows of a table: a source is recorded to, and the targets hear of it.

use campanile_recorder::profile::Profile;

use super::support::{Recording, counter, gauge, histogram};

/// What a source is told, and what the recorder below is told then.
pub(super) type Case<'a> = (&'a str, &'a [&'a str]);

pub(super) fn counts(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        counter(&profile.over(recording.clone()), source).increment(1);
        assert_eq!(recording.recorded(), *expected, "of {source}");
    }
}

/// Records a half.
pub(super) fn times(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        histogram(&profile.over(recording.clone()), source).record(0.5);
        assert_eq!(recording.recorded(), *expected, "of {source}");
    }
}

pub(super) fn levels(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        gauge(&profile.over(recording.clone()), source).increment(2.0);
        assert_eq!(recording.recorded(), *expected, "of {source}");
    }
}

pub(super) fn names_of_buckets(profile: &Profile) -> Vec<(&'static str, usize)> {
    profile
        .buckets()
        .map(|(name, bounds)| (name, bounds.len()))
        .collect()
}
