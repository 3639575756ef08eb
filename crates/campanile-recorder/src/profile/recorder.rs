//! A recorder wrapped in a profile.

use std::fmt;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::{Profile, handle::TargetHandle, shared_gauge::SharedGauges};
use crate::MetricKind;

/// A recorder wrapped in a [`Profile`]. See the [module docs](super).
pub struct ProfileRecorder<R> {
    inner: R,
    profile: Profile,
    shared_gauges: SharedGauges,
}

impl<R> ProfileRecorder<R> {
    pub(super) fn new(profile: Profile, inner: R) -> Self {
        Self {
            inner,
            profile,
            shared_gauges: SharedGauges::default(),
        }
    }

    /// Returns the inner recorder.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }
}

impl<R: Recorder> ProfileRecorder<R> {
    fn register<H: TargetHandle>(&self, source: &Key, metadata: &Metadata<'_>) -> H {
        let Some(entries) = self.profile.rows_of(H::KIND, source.name()) else {
            return H::register(&self.inner, source, metadata);
        };
        let mut targets = Vec::new();
        let mut handles = Vec::new();
        for entry in entries.filter(|entry| entry.row.matches(source)) {
            let row = &entry.row;
            let target = row.target_key(source);
            // Rows with overlapping conditions must not count twice.
            if targets.contains(&target) {
                continue;
            }
            let mut handle = H::register(&self.inner, &target, metadata);
            if !(entry.is_only_source && row.is_injective(source)) {
                handle = handle.shared(&self.shared_gauges, source, &target);
            }
            if let Some(factor) = row.scale {
                handle = handle.scaled(factor);
            }
            targets.push(target);
            handles.push(handle);
        }
        H::combine(handles)
    }

    fn describe(
        &self,
        kind: MetricKind,
        source: KeyName,
        unit: Option<Unit>,
        help: SharedString,
        describe: impl Fn(&R, KeyName, Option<Unit>, SharedString),
    ) {
        let Some(entries) = self.profile.rows_of(kind, source.as_str()) else {
            return describe(&self.inner, source, unit, help);
        };
        for row in entries.map(|entry| &entry.row) {
            let help = row.help.map_or_else(|| help.clone(), SharedString::const_str);
            describe(
                &self.inner,
                KeyName::from_const_str(row.target),
                row.unit.or(unit),
                help,
            );
        }
    }
}

impl<R: Recorder> Recorder for ProfileRecorder<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(MetricKind::Counter, key, unit, description, R::describe_counter);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(MetricKind::Gauge, key, unit, description, R::describe_gauge);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(
            MetricKind::Histogram,
            key,
            unit,
            description,
            R::describe_histogram,
        );
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.register(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.register(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.register(key, metadata)
    }
}

impl<R> fmt::Debug for ProfileRecorder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileRecorder")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
