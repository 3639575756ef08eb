//! A recorder that can be asked at any time, and answers exactly.

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

/// Keeps every series in atomics, under its name and sorted labels: `name{a=b,c=d}`.
#[derive(Default)]
pub struct Tally {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
}

#[derive(Default)]
struct Series {
    kind: Mutex<Option<Kind>>,
    count: AtomicU64,
    sum: Number,
    lowest: Number,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A number that threads add to.
#[derive(Default)]
struct Number(AtomicU64);

impl Number {
    fn change(&self, change: impl Fn(f64) -> f64) -> f64 {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let new = change(f64::from_bits(seen));
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

impl Tally {
    /// Makes a recorder of a test's own, as `with_recorder` takes it.
    #[must_use]
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Returns the value of a counter, the present value of a gauge or the number of a histogram's samples; zero
    /// where there is no such series.
    #[must_use]
    pub fn value(&self, series: &str) -> f64 {
        self.find(series).map_or(0.0, |series| series.value())
    }

    /// Returns the sum of [`Self::value`] over all series of a name.
    #[must_use]
    pub fn total(&self, name: &str) -> f64 {
        self.of(name).iter().map(|(_, series)| series.value()).sum()
    }

    /// Returns the lowest value that any series of a name ever had; zero is where gauges begin.
    #[must_use]
    pub fn lowest(&self, name: &str) -> f64 {
        self.of(name)
            .iter()
            .map(|(_, series)| series.lowest.load())
            .fold(0.0, f64::min)
    }

    /// Returns the values of all series of a name, summed by the value of one label.
    #[must_use]
    pub fn by_label(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (series, value) in self.of(name) {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            let found = labels
                .trim_end_matches('}')
                .split(',')
                .find_map(|pair| pair.strip_prefix(label)?.strip_prefix('='));
            *sums.entry(found.unwrap_or_default().to_owned()).or_default() += value.value();
        }
        sums
    }

    /// Returns how many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns every series that is not zero, written out. Of histograms of sizes the sum is part of it.
    #[must_use]
    pub fn written(&self) -> BTreeMap<String, String> {
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

    /// Waits until the sum over a name's series is this.
    pub async fn until_total(&self, name: &str, expected: f64) {
        eventually(format_args!("the sum of {name} to be {expected}"), || {
            let total = self.total(name);
            (total == expected).then_some(()).ok_or(format!("it is {total}"))
        })
        .await;
    }

    fn of(&self, name: &str) -> Vec<(String, Arc<Series>)> {
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

    fn register(&self, key: &Key, kind: Kind) -> Arc<Series> {
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
            Some(Kind::Gauge) => self.sum.load(),
            _ => self.count.load(Ordering::SeqCst) as f64,
        }
    }

    fn change(&self, change: impl Fn(f64) -> f64) {
        let now = self.sum.change(change);
        self.lowest.change(|lowest| lowest.min(now));
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
        self.sum.change(|sum| sum + value);
    }
}

impl Recorder for Tally {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _help: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _help: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _help: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key, Kind::Counter))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key, Kind::Gauge))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(key, Kind::Histogram))
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.written()).finish()
    }
}
