//! A recorder whose type has no size, as one that records into statics. In a process of its own, since it installs a
//! global recorder.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use campanile_metrics::{Descriptor, LazyHandle, PerRecorder, RecorderHandle};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

const HITS: Descriptor = Descriptor::counter("hits_total", None, "Hits", &[]);

static TOTAL: AtomicU64 = AtomicU64::new(0);

struct StaticRecorder;

struct Total;

impl CounterFn for Total {
    fn increment(&self, value: u64) {
        TOTAL.fetch_add(value, Ordering::Relaxed);
    }
    fn absolute(&self, _: u64) {}
}

impl Recorder for StaticRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Total))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn recorder_without_a_size_is_a_recorder() {
    let register = |recorder: &dyn Recorder| HITS.register::<Counter>(recorder, Vec::new());

    static GIVEN: StaticRecorder = StaticRecorder;
    let given: LazyHandle<Counter> = LazyHandle::new();
    given.get((&GIVEN).into(), register).unwrap().increment(1);
    assert_eq!(TOTAL.load(Ordering::Relaxed), 1);

    let global: LazyHandle<Counter> = LazyHandle::new();
    assert!(
        global.get(RecorderHandle::global(), register).is_none(),
        "none is installed"
    );
    metrics::with_local_recorder(&StaticRecorder, || {
        assert!(
            global.get(RecorderHandle::global(), register).is_none(),
            "none is installed"
        );
    });
    assert!(metrics::set_global_recorder(StaticRecorder).is_ok());
    global
        .get(RecorderHandle::global(), register)
        .unwrap()
        .increment(2);
    assert_eq!(TOTAL.load(Ordering::Relaxed), 3);
}

#[test]
fn recorder_without_a_size_has_one_value() {
    static TABLES: PerRecorder<u32> = PerRecorder::new();
    static GIVEN: StaticRecorder = StaticRecorder;
    let handle = RecorderHandle::from(&GIVEN);
    assert_eq!(handle, RecorderHandle::from(&GIVEN));
    let first = TABLES.get_or_make(handle, || 1);
    assert!(
        std::ptr::eq(first, TABLES.get_or_make(handle, || 2)),
        "a table per layer"
    );

    let shared = Arc::new(StaticRecorder);
    assert_eq!(
        RecorderHandle::from(Arc::clone(&shared)),
        RecorderHandle::from(shared)
    );
    assert_ne!(handle, RecorderHandle::from(&metrics::NoopRecorder));
    assert_ne!(handle, RecorderHandle::global());
}
