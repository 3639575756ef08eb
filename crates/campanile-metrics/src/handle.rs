//! The facade's handles, as one trait.

use metrics::{Counter, Gauge, Histogram, Key, Metadata, Recorder};

use crate::Kind;

/// A handle that a [`Descriptor`](crate::Descriptor) can register. Sealed: the facade has three.
pub trait Handle: sealed::Sealed {
    #[doc(hidden)]
    const KIND: Kind;

    #[doc(hidden)]
    fn register(recorder: &dyn Recorder, key: &Key, metadata: &Metadata<'_>) -> Self;
}

impl Handle for Counter {
    const KIND: Kind = Kind::Counter;

    fn register(recorder: &dyn Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_counter(key, metadata)
    }
}

impl Handle for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn register(recorder: &dyn Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_gauge(key, metadata)
    }
}

impl Handle for Histogram {
    const KIND: Kind = Kind::Histogram;

    fn register(recorder: &dyn Recorder, key: &Key, metadata: &Metadata<'_>) -> Self {
        recorder.register_histogram(key, metadata)
    }
}

mod sealed {
    #[allow(unnameable_types, reason = "sealed: no other crate may implement it")]
    pub trait Sealed {}
    impl Sealed for metrics::Counter {}
    impl Sealed for metrics::Gauge {}
    impl Sealed for metrics::Histogram {}
}
