//! A recorder whose exact values can be queried at any time.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::wait::eventually;

/// A recorder that keeps each series in atomics, under its name and sorted labels: `name{a=b,c=d}`.
#[derive(Default)]
pub struct TestRecorder {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
}

#[derive(Default)]
struct Series {
    kind: Mutex<Option<SeriesKind>>,
    count: AtomicU64,
    sum: AtomicFloat,
    lowest: AtomicFloat,
}

#[derive(Clone, Copy)]
enum SeriesKind {
    Counter,
    Gauge,
    Histogram,
}

/// An atomic float.
#[derive(Default)]
struct AtomicFloat(AtomicU64);

impl AtomicFloat {
    fn update(&self, update: impl Fn(f64) -> f64) -> f64 {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let new = update(f64::from_bits(seen));
            match self
                .0
                .compare_exchange_weak(seen, new.to_bits(), Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return new,
                Err(now) => seen = now,
            }
        }
    }

    fn load(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::SeqCst))
    }
}

impl TestRecorder {
    /// Makes a recorder with the lifetime that `with_recorder` requires.
    #[must_use]
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Returns the value of a counter or gauge, or the number of samples of a histogram; zero without such a series.
    #[must_use]
    pub fn value(&self, series: &str) -> f64 {
        self.find(series).map_or(0.0, |series| series.value())
    }

    /// Returns the sum of [`Self::value`] over the series of a family.
    #[must_use]
    pub fn total(&self, name: &str) -> f64 {
        self.series_of(name)
            .iter()
            .map(|(_, series)| series.value())
            .sum()
    }

    /// Returns the lowest value that any series of a family has had; at most zero, where gauges start.
    #[must_use]
    pub fn lowest(&self, name: &str) -> f64 {
        self.series_of(name)
            .iter()
            .map(|(_, series)| series.lowest.load())
            .fold(0.0, f64::min)
    }

    /// Returns the values of a family, summed by the value of one label.
    #[must_use]
    pub fn by_label(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (series, value) in self.series_of(name) {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            let found = labels
                .trim_end_matches('}')
                .split(',')
                .find_map(|pair| pair.strip_prefix(label)?.strip_prefix('='));
            *sums.entry(found.unwrap_or_default().to_owned()).or_default() += value.value();
        }
        sums
    }

    /// Returns the number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether there are no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the text of each series that is not zero; for histograms of sizes it includes the sum.
    #[must_use]
    pub fn nonzero_series(&self) -> BTreeMap<String, String> {
        self.lock()
            .iter()
            .filter(|(_, series)| series.value() != 0.0)
            .map(|(name, series)| {
                let text = if name.contains("_bytes") {
                    format!("{} of {}", series.value(), series.sum.load())
                } else {
                    series.value().to_string()
                };
                (name.clone(), text)
            })
            .collect()
    }

    /// Waits until the total of a family is `expected`.
    pub async fn wait_for_total(&self, name: &str, expected: f64) {
        eventually(format_args!("a total of {expected} for {name}"), || {
            let total = self.total(name);
            (total == expected)
                .then_some(())
                .ok_or_else(|| format!("it is {total}"))
        })
        .await;
    }

    fn series_of(&self, name: &str) -> Vec<(String, Arc<Series>)> {
        self.lock()
            .range(name.to_owned()..)
            .take_while(|(series, _)| series.starts_with(name))
            .filter(|(series, _)| matches!(series[name.len()..].bytes().next(), None | Some(b'{')))
            .map(|(name, series)| (name.clone(), Arc::clone(series)))
            .collect()
    }

    fn find(&self, series: &str) -> Option<Arc<Series>> {
        self.lock().get(series).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Series>>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, key: &Key, kind: SeriesKind) -> Arc<Series> {
        let mut labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let name = match labels.as_slice() {
            [] => key.name().to_owned(),
            labels => format!("{}{{{}}}", key.name(), labels.join(",")),
        };
        let series = Arc::clone(self.lock().entry(name).or_default());
        *series.kind.lock().unwrap() = Some(kind);
        series
    }
}

impl Series {
    fn value(&self) -> f64 {
        match *self.kind.lock().unwrap() {
            Some(SeriesKind::Gauge) => self.sum.load(),
            _ => self.count.load(Ordering::SeqCst) as f64,
        }
    }

    fn change(&self, change: impl Fn(f64) -> f64) {
        let now = self.sum.update(change);
        self.lowest.update(|lowest| lowest.min(now));
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.count.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.count.store(value, Ordering::SeqCst);
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.change(|now| now + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| now - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.sum.update(|sum| sum + value);
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _help: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _help: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _help: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key, SeriesKind::Counter))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key, SeriesKind::Gauge))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(key, SeriesKind::Histogram))
    }
}

impl fmt::Debug for TestRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.nonzero_series()).finish()
    }
}
