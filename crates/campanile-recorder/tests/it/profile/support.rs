//! A recorder that logs everything in order.

use std::sync::{Arc, Mutex};

use campanile_recorder::profile::{Profile, ProfileRecorder, Row};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Level, Metadata,
    Recorder, SharedString, Unit,
};

pub(super) const METADATA: Metadata<'static> = Metadata::new("tests", Level::INFO, None);

#[derive(Clone, Default)]
pub(super) struct Recording(Arc<Inner>);

#[derive(Default)]
struct Inner {
    registered: Mutex<Vec<(Key, Arc<Cell>)>>,
    recorded: Arc<Mutex<Vec<String>>>,
    described: Mutex<Vec<String>>,
}

struct Cell {
    key: String,
    gauge: Mutex<f64>,
    recorded: Arc<Mutex<Vec<String>>>,
}

impl Recording {
    /// Takes the records since the last call: `name{label=value,…} +1`.
    pub(super) fn recorded(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.recorded.lock().unwrap())
    }

    /// Takes the descriptions since the last call: `kind name unit: help`.
    pub(super) fn described(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.described.lock().unwrap())
    }

    /// Returns the registered keys, each once.
    pub(super) fn keys(&self) -> Vec<String> {
        let registered = self.0.registered.lock().unwrap();
        registered.iter().map(|(_, cell)| cell.key.clone()).collect()
    }

    /// Returns the number of handles of the only key.
    pub(super) fn handles(&self) -> usize {
        let registered = self.0.registered.lock().unwrap();
        assert_eq!(registered.len(), 1);
        Arc::strong_count(&registered[0].1) - 1
    }

    /// Returns the current value of a gauge.
    pub(super) fn gauge(&self, key: &str) -> f64 {
        let registered = self.0.registered.lock().unwrap();
        let (_, cell) = registered.iter().find(|(_, cell)| cell.key == key).unwrap();
        *cell.gauge.lock().unwrap()
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        let mut registered = self.0.registered.lock().unwrap();
        if let Some((_, cell)) = registered.iter().find(|(known, _)| known == key) {
            return Arc::clone(cell);
        }
        let cell = Arc::new(Cell {
            key: format_key(key),
            gauge: Mutex::default(),
            recorded: Arc::clone(&self.0.recorded),
        });
        registered.push((key.clone(), Arc::clone(&cell)));
        cell
    }

    fn describe(&self, kind: &str, name: &KeyName, unit: Option<Unit>, help: &SharedString) {
        let unit = unit.map_or("-", |unit| unit.as_str());
        let line = format!("{kind} {} {unit}: {help}", name.as_str());
        self.0.described.lock().unwrap().push(line);
    }
}

impl Cell {
    fn log(&self, what: &str) {
        self.recorded.lock().unwrap().push(format!("{} {what}", self.key));
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.log(&format!("+{value}"));
    }

    fn absolute(&self, value: u64) {
        self.log(&format!("to {value}"));
    }
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        *self.gauge.lock().unwrap() += value;
        self.log(&format!("+{value}"));
    }

    fn decrement(&self, value: f64) {
        *self.gauge.lock().unwrap() -= value;
        self.log(&format!("-{value}"));
    }

    fn set(&self, value: f64) {
        *self.gauge.lock().unwrap() = value;
        self.log(&format!("={value}"));
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.log(&value.to_string());
    }

    fn record_many(&self, value: f64, count: usize) {
        self.log(&format!("{value} x{count}"));
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe("counter", &key, unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe("gauge", &key, unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe("histogram", &key, unit, &description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        assert_eq!(
            metadata.target(),
            METADATA.target(),
            "the metadata of the caller is passed on"
        );
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        assert_eq!(
            metadata.target(),
            METADATA.target(),
            "the metadata of the caller is passed on"
        );
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        assert_eq!(
            metadata.target(),
            METADATA.target(),
            "the metadata of the caller is passed on"
        );
        Histogram::from_arc(self.cell(key))
    }
}

/// Wraps a recording in a profile with these rows.
pub(super) fn over(rows: impl IntoIterator<Item = Row>) -> (ProfileRecorder<Recording>, Recording) {
    let recording = Recording::default();
    let profile = Profile::new(rows).expect("the table is valid");
    (profile.over(recording.clone()), recording)
}

/// Creates a key from `name{label=value,…}`.
pub(super) fn key(text: &str) -> Key {
    let (name, labels) = text.split_once('{').unwrap_or((text, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once('=').unwrap();
        Label::new(name.to_owned(), value.to_owned())
    });
    Key::from_parts(name.to_owned(), labels.collect::<Vec<_>>())
}

/// Writes a key in the form that [`key`] parses, without sorting labels.
pub(super) fn format_key(key: &Key) -> String {
    let labels: Vec<_> = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()))
        .collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

pub(super) fn counter(recorder: &impl Recorder, text: &str) -> Counter {
    recorder.register_counter(&key(text), &METADATA)
}

pub(super) fn gauge(recorder: &impl Recorder, text: &str) -> Gauge {
    recorder.register_gauge(&key(text), &METADATA)
}

pub(super) fn histogram(recorder: &impl Recorder, text: &str) -> Histogram {
    recorder.register_histogram(&key(text), &METADATA)
}
