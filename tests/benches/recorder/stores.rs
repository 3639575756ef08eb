//! The compared recorders, with the same buckets and no background work.

use campanile_recorder::{CellRecorder, Format, Matcher};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use prometheus_client::{
    metrics::{counter, family::Family, gauge, histogram},
    registry::Registry,
};

pub(crate) const METADATA: Metadata<'static> = Metadata::new("bench", Level::INFO, None);

/// The bucket bounds of the default names.
pub(crate) const SECONDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

pub(crate) fn ours() -> CellRecorder {
    CellRecorder::builder()
        .with_buckets(Matcher::suffix("_seconds"), &SECONDS)
        .with_series_limit(usize::MAX)
        .build()
}

pub(crate) fn exporter() -> (PrometheusRecorder, PrometheusHandle) {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .unwrap()
        .build_recorder();
    let handle = recorder.handle();
    (recorder, handle)
}

/// Returns the key of a series of a route.
pub(crate) fn key(name: &'static str, route: usize) -> Key {
    Key::from_parts(name, vec![Label::new("route", format!("/route/{route}"))])
}

/// Registers the handles of a route.
pub(crate) fn handles(recorder: &dyn Recorder, route: usize) -> (Counter, Gauge, Histogram) {
    (
        recorder.register_counter(&key("hits_total", route), &METADATA),
        recorder.register_gauge(&key("level", route), &METADATA),
        recorder.register_histogram(&key("wait_seconds", route), &METADATA),
    )
}

type Labels = Vec<(String, String)>;
type Floats = gauge::Gauge<f64, std::sync::atomic::AtomicU64>;

/// The official client.
pub(crate) struct Official {
    registry: Registry,
    counters: Family<Labels, counter::Counter>,
    gauges: Family<Labels, Floats>,
    histograms: Family<Labels, histogram::Histogram, fn() -> histogram::Histogram>,
}

impl Official {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let make: fn() -> histogram::Histogram = || histogram::Histogram::new(SECONDS);
        let new = Self {
            counters: Family::default(),
            gauges: Family::default(),
            histograms: Family::new_with_constructor(make),
            registry: Registry::default(),
        };
        registry.register("hits", "", new.counters.clone());
        registry.register("level", "", new.gauges.clone());
        registry.register("wait_seconds", "", new.histograms.clone());
        Self { registry, ..new }
    }

    pub(crate) fn handles(&self, route: usize) -> (counter::Counter, Floats, histogram::Histogram) {
        let labels = vec![("route".to_owned(), format!("/route/{route}"))];
        (
            self.counters.get_or_create(&labels).clone(),
            self.gauges.get_or_create(&labels).clone(),
            self.histograms.get_or_create(&labels).clone(),
        )
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

/// A name and a constructor.
type Contender = (&'static str, fn() -> Store);

/// A recorder that renders its series.
pub(crate) enum Store {
    Ours(CellRecorder, Format),
    Exporter(PrometheusRecorder, PrometheusHandle),
    Official(Official),
}

impl Store {
    /// All recorders.
    pub(crate) const ALL: [Contender; 3] = [
        ("campanile-recorder", || Self::Ours(ours(), Format::Prometheus)),
        ("metrics-exporter-prometheus", || {
            let (recorder, handle) = exporter();
            Self::Exporter(recorder, handle)
        }),
        ("prometheus-client", || Self::Official(Official::new())),
    ];

    pub(crate) fn render(&self) -> String {
        match self {
            Self::Ours(recorder, format) => recorder.render(*format),
            Self::Exporter(_, handle) => handle.render(),
            Self::Official(official) => official.render(),
        }
    }

    /// Makes a counter and a histogram of a route, and records one value in each.
    pub(crate) fn fill(&self, route: usize) {
        match self {
            Self::Ours(recorder, _) => Self::touch(recorder, route),
            Self::Exporter(recorder, _) => Self::touch(recorder, route),
            Self::Official(official) => {
                let labels = vec![("route".to_owned(), format!("/route/{route}"))];
                official.counters.get_or_create(&labels).inc();
                official.histograms.get_or_create(&labels).observe(0.003);
            }
        }
    }

    fn touch(recorder: &dyn Recorder, route: usize) {
        recorder
            .register_counter(&key("hits_total", route), &METADATA)
            .increment(1);
        recorder
            .register_histogram(&key("wait_seconds", route), &METADATA)
            .record(0.003);
    }

    /// Records `times` values in one histogram.
    pub(crate) fn observe(&self, times: u32) {
        match self {
            Self::Ours(recorder, _) => Self::record(recorder, times),
            Self::Exporter(recorder, _) => Self::record(recorder, times),
            Self::Official(official) => {
                let histogram = official.handles(0).2;
                (0..times).for_each(|time| histogram.observe(seconds(time)));
            }
        }
    }

    fn record(recorder: &dyn Recorder, times: u32) {
        let histogram = handles(recorder, 0).2;
        (0..times).for_each(|time| histogram.record(seconds(time)));
    }
}

/// Returns a typical duration, from a fraction of a millisecond to a quarter of a second.
#[inline]
pub(crate) fn seconds(time: u32) -> f64 {
    f64::from(time.wrapping_mul(2_654_435_761) >> 22) * 0.000_25
}
