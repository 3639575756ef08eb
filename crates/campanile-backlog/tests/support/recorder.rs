//! A recorder whose values tests can read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Keeps the current value of every series, and all values of histograms.
#[derive(Default)]
pub struct TestRecorder {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
    described: Mutex<Vec<(String, &'static str)>>,
}

#[derive(Default)]
struct Series {
    now: Mutex<f64>,
    recorded: Mutex<Vec<f64>>,
}

/// Creates a recorder for one test.
pub fn recorder() -> &'static TestRecorder {
    Box::leak(Box::default())
}

impl TestRecorder {
    /// Returns the value of a series such as `name{a=b,c=d}`; `None` if it was never registered.
    pub fn value(&self, series: &str) -> Option<f64> {
        Some(*self.series.lock().unwrap().get(series)?.now.lock().unwrap())
    }

    /// Returns the values of a histogram; `None` if it was never registered.
    pub fn recorded(&self, series: &str) -> Option<Vec<f64>> {
        Some(
            self.series
                .lock()
                .unwrap()
                .get(series)?
                .recorded
                .lock()
                .unwrap()
                .clone(),
        )
    }

    /// Returns the names of all series.
    pub fn names(&self) -> Vec<String> {
        self.series.lock().unwrap().keys().cloned().collect()
    }

    /// Returns names and kinds of the described families, sorted.
    pub fn described(&self) -> Vec<(String, &'static str)> {
        let mut described = self.described.lock().unwrap().clone();
        described.sort();
        described.dedup();
        described
    }

    fn register(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = if labels.is_empty() {
            key.name().to_owned()
        } else {
            format!("{}{{{}}}", key.name(), labels.join(","))
        };
        Arc::clone(self.series.lock().unwrap().entry(name).or_default())
    }

    fn describe(&self, key: &KeyName, kind: &'static str) {
        self.described
            .lock()
            .unwrap()
            .push((key.as_str().to_owned(), kind));
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        *self.now.lock().unwrap() += value as f64;
    }

    fn absolute(&self, value: u64) {
        *self.now.lock().unwrap() = value as f64;
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        *self.now.lock().unwrap() += value;
    }

    fn decrement(&self, value: f64) {
        *self.now.lock().unwrap() -= value;
    }

    fn set(&self, value: f64) {
        *self.now.lock().unwrap() = value;
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.recorded.lock().unwrap().push(value);
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key, "counter");
    }

    fn describe_gauge(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key, "gauge");
    }

    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key, "histogram");
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(key))
    }
}
