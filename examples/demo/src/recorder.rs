//! Puts the service's name on each series, as a monitoring system does when it scrapes three processes.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit, with_recorder,
};

use crate::tally::Service;

/// Records to the recorder of the process, under one label more.
pub(crate) struct Named(Service);

/// One for each service, in their order.
pub(crate) static NAMED: [Named; 3] = [
    Named(Service::Edge),
    Named(Service::Catalog),
    Named(Service::Stock),
];

impl Named {
    fn key(&self, key: &Key) -> Key {
        key.with_extra_labels(vec![Label::from_static_parts("service", self.0.name())])
    }
}

impl Recorder for Named {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        with_recorder(|recorder| recorder.describe_counter(key, unit, description));
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        with_recorder(|recorder| recorder.describe_gauge(key, unit, description));
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        with_recorder(|recorder| recorder.describe_histogram(key, unit, description));
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        with_recorder(|recorder| recorder.register_counter(&self.key(key), metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(&self.key(key), metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(&self.key(key), metadata))
    }
}
