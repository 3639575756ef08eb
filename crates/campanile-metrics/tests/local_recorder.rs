//! Handles of the global recorder while a thread-local one is in force. In a process of its own, since it installs a
//! global recorder.

use std::sync::atomic::{AtomicUsize, Ordering};

use campanile_metrics::{Descriptor, FoldCounter, LazyHandle, RecorderHandle};
use metrics::{Counter, NoopRecorder, Recorder};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

const HITS: Descriptor = Descriptor::counter("hits_total", None, "Hits", &[]);

/// Returns the counts since the last call.
fn counts(snapshotter: &Snapshotter) -> Vec<(String, u64)> {
    let snapshot = snapshotter.snapshot().into_vec();
    let mut counts: Vec<_> = snapshot
        .into_iter()
        .map(|(key, _, _, value)| {
            let DebugValue::Counter(value) = value else {
                panic!("{} is a counter", key.key().name())
            };
            (key.key().name().to_owned(), value)
        })
        .collect();
    counts.sort_unstable();
    counts
}

#[test]
fn handles_bind_to_the_global_recorder_only() {
    let local = DebuggingRecorder::new();
    let of_local = local.snapshotter();
    let registered = AtomicUsize::new(0);
    let register = |recorder: &dyn Recorder| {
        registered.fetch_add(1, Ordering::Relaxed);
        HITS.register::<Counter>(recorder, Vec::new())
    };
    let handle: LazyHandle<Counter> = LazyHandle::new();
    let folded = FoldCounter::new();

    // The first user has a recorder of its own, and the process has none.
    metrics::with_local_recorder(&local, || {
        assert!(handle.get(RecorderHandle::global(), register).is_none());
        folded.increment(RecorderHandle::global());
        assert_eq!(RecorderHandle::global().with(|_| ()), None);
    });
    assert_eq!(registered.load(Ordering::Relaxed), 0);

    let global = DebuggingRecorder::new();
    let of_global = global.snapshotter();
    global.install().unwrap();

    // The first user has a recorder of its own, and so has the process.
    metrics::with_local_recorder(&local, || {
        handle
            .get(RecorderHandle::global(), register)
            .unwrap()
            .increment(1);
        folded.increment(RecorderHandle::global());
    });
    handle
        .get(RecorderHandle::global(), register)
        .unwrap()
        .increment(1);
    assert_eq!(registered.load(Ordering::Relaxed), 1);
    assert!(
        of_local.snapshot().into_vec().is_empty(),
        "the local recorder got a series"
    );
    let folded = ("campanile_series_folded_total".to_owned(), 1);
    assert_eq!(counts(&of_global), [folded, ("hits_total".to_owned(), 2)]);

    // Neither a local recorder that records nothing, nor one without a size, is taken for the global one.
    for local in [&NoopRecorder as &dyn Recorder, &Unsized] {
        let handle: LazyHandle<Counter> = LazyHandle::new();
        metrics::with_local_recorder(local, || {
            handle
                .get(RecorderHandle::global(), register)
                .unwrap()
                .increment(1);
        });
        assert!(counts(&of_global).contains(&("hits_total".to_owned(), 1)));
    }

    // A recorder that the caller gave is another matter.
    let given: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let handle: LazyHandle<Counter> = LazyHandle::new();
    metrics::with_local_recorder(&local, || {
        handle.get(given.into(), register).unwrap().increment(4);
    });
    assert_eq!(counts(&given.snapshotter()), [("hits_total".to_owned(), 4)]);

    // A panic reaches the caller, and the handle is resolved by the next use.
    let handle: LazyHandle<Counter> = LazyHandle::new();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        metrics::with_local_recorder(&local, || {
            handle
                .get(RecorderHandle::global(), |_| panic!("in the recorder"))
                .is_some()
        })
    }));
    assert_eq!(
        result.unwrap_err().downcast_ref::<&str>(),
        Some(&"in the recorder")
    );
    assert!(handle.resolved().is_none());
    assert!(handle.get(RecorderHandle::global(), register).is_some());
}

/// A recorder type without a size.
struct Unsized;

impl Recorder for Unsized {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> Counter {
        panic!("registered in the local recorder")
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        panic!("registered in the local recorder")
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        panic!("registered in the local recorder")
    }
}
