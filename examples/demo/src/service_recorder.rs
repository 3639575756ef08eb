//! A recorder that adds a `service` label: the three services share a process and a recorder.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit, with_recorder,
};

use crate::tally::Service;

/// Records to the global recorder, with the label `service`.
pub(crate) struct ServiceRecorder(Service);

/// The recorder of each service, in the order of [`Service`].
static RECORDERS: [ServiceRecorder; 3] = [
    ServiceRecorder(Service::Edge),
    ServiceRecorder(Service::Catalog),
    ServiceRecorder(Service::Stock),
];

impl ServiceRecorder {
    pub(crate) fn of(service: Service) -> &'static Self {
        &RECORDERS[service as usize]
    }

    fn key(&self, key: &Key) -> Key {
        key.with_extra_labels(vec![Label::from_static_parts("service", self.0.name())])
    }
}

impl Recorder for ServiceRecorder {
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
