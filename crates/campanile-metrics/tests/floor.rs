//! Descriptors, handles and label limits, through the public API.

use std::{
    io,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use campanile_metrics::{
    Descriptor, FoldCounter, Kind, LabelLimiter, LazyHandle, RecorderHandle, Unit, errno_name, errno_name_of,
};
use metrics::{Counter, Gauge, Label, Recorder};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

const HITS: Descriptor = Descriptor::counter("hits_total", None, "Hits", &["route", "method"]);
const DEPTH: Descriptor = Descriptor::gauge("depth_bytes", Some(Unit::Bytes), "Depth", &[]);

fn recorder() -> (RecorderHandle, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    (Arc::new(recorder).into(), snapshotter)
}

#[test]
fn a_registered_series_has_sorted_labels_unit_and_help() {
    let (handle, snapshotter) = recorder();
    handle.with(|recorder| {
        let labels = vec![
            Label::from_static_parts("route", "/a"),
            Label::from_static_parts("method", "GET"),
        ];
        HITS.register::<Counter>(recorder, labels).increment(2);
        DEPTH.register::<Gauge>(recorder, Vec::new()).set(7.0);
    });
    let snapshot = snapshotter.snapshot().into_vec();
    assert_eq!(snapshot.len(), 2);
    for (key, unit, help, value) in snapshot {
        if key.key().name() == "hits_total" {
            let labels: Vec<_> = key
                .key()
                .labels()
                .map(|label| (label.key(), label.value()))
                .collect();
            assert_eq!(labels, [("method", "GET"), ("route", "/a")]);
            assert_eq!((unit, help.as_deref()), (None, Some("Hits")));
            assert_eq!(value, DebugValue::Counter(2));
        } else {
            assert_eq!((unit, help.as_deref()), (Some(Unit::Bytes), Some("Depth")));
            assert_eq!(value, DebugValue::Gauge(7.0.into()));
        }
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_label_that_the_descriptor_lacks_is_a_bug() {
    let (handle, _) = recorder();
    let registered = thread::spawn(move || {
        handle.with(|recorder| {
            HITS.register::<Counter>(recorder, vec![Label::from_static_parts("host", "stock")])
        })
    });
    assert!(registered.join().is_err());
}

#[test]
fn a_descriptor_tells_all_of_itself() {
    assert_eq!(
        (HITS.name(), HITS.kind(), HITS.unit()),
        ("hits_total", Kind::Counter, None)
    );
    assert_eq!((HITS.help(), HITS.labels()), ("Hits", &["route", "method"][..]));
    assert_eq!(
        [Kind::Counter, Kind::Gauge, Kind::Histogram].map(Kind::as_str),
        ["counter", "gauge", "histogram"]
    );
}

#[test]
fn a_handle_is_not_resolved_before_a_recorder_is_installed() {
    let handle: LazyHandle<Counter> = LazyHandle::new();
    let register = |recorder: &dyn Recorder| HITS.register(recorder, Vec::new());
    assert!(handle.get(RecorderHandle::global(), register).is_none());
    assert!(handle.resolved().is_none());

    let (recorder, snapshotter) = recorder();
    handle.get(recorder, register).unwrap().increment(1);
    let register_again = |_: &dyn Recorder| panic!("resolved once");
    handle.get(recorder, register_again).unwrap().increment(1);
    let [(_, _, _, value)] = snapshotter.snapshot().into_vec().try_into().unwrap();
    assert_eq!(value, DebugValue::Counter(2));
}

#[test]
fn racing_threads_resolve_a_handle_once() {
    let (recorder, snapshotter) = recorder();
    let handle: LazyHandle<Counter> = LazyHandle::new();
    let registered = AtomicUsize::new(0);
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                let handle = handle.get(recorder, |recorder| {
                    registered.fetch_add(1, Ordering::Relaxed);
                    HITS.register(recorder, Vec::new())
                });
                handle.unwrap().increment(1);
            });
        }
    });
    assert_eq!(registered.load(Ordering::Relaxed), 1);
    let [(_, _, _, value)] = snapshotter.snapshot().into_vec().try_into().unwrap();
    assert_eq!(value, DebugValue::Counter(4));
}

#[test]
fn one_recorder_is_recognised_however_it_is_given() {
    let shared = Arc::new(DebuggingRecorder::new());
    let from_arc = RecorderHandle::from(Arc::clone(&shared));
    assert_eq!(from_arc, RecorderHandle::from(Arc::clone(&shared)));
    assert_ne!(from_arc, RecorderHandle::from(Arc::new(DebuggingRecorder::new())));

    let leaked: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let erased: &'static (dyn Recorder + Sync) = leaked;
    assert_eq!(RecorderHandle::from(leaked), RecorderHandle::from(erased));
    assert_ne!(RecorderHandle::from(leaked), from_arc);
    assert_ne!(from_arc, RecorderHandle::global());
    assert_eq!(RecorderHandle::global(), RecorderHandle::default());
}

#[test]
fn recorder_without_a_size_is_never_taken_for_another_type() {
    /// A field without a size at the address of its recorder.
    #[repr(C)]
    struct Outer {
        field: metrics::NoopRecorder,
        size: u64,
    }
    let outer: &'static Outer = Box::leak(Box::new(Outer {
        field: metrics::NoopRecorder,
        size: 1,
    }));
    assert_eq!(outer.size, 1);
    let one: &'static metrics::NoopRecorder = &metrics::NoopRecorder;
    assert_eq!(RecorderHandle::from(one), RecorderHandle::from(one));
    assert_ne!(RecorderHandle::from(one), RecorderHandle::from(&outer.field));
    assert_ne!(
        RecorderHandle::from(Arc::new(metrics::NoopRecorder)),
        RecorderHandle::from(Arc::new(metrics::NoopRecorder))
    );
    assert_eq!(RecorderHandle::from(one).with(|_| ()), Some(()));
}

#[test]
fn racing_threads_never_admit_more_than_the_limit() {
    let limiter = LabelLimiter::new();
    let admitted: usize = thread::scope(|scope| {
        let limiter = &limiter;
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    (0..100)
                        .filter(|n| limiter.admit(&format!("{thread}-{n}"), 10))
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 10);
    assert!(limiter.admit("late", 11), "a higher limit has room again");
    assert!(limiter.admit("late", 0), "admitted once, admitted for good");
}

#[test]
fn folded_observations_are_counted() {
    let (handle, snapshotter) = recorder();
    let folded = FoldCounter::new();
    folded.increment(handle);
    folded.increment(handle);
    let [(key, _, _, value)] = snapshotter.snapshot().into_vec().try_into().unwrap();
    assert_eq!(key.key().name(), "campanile_series_folded_total");
    assert_eq!(value, DebugValue::Counter(2));
}

#[test]
#[cfg(unix)]
fn errors_have_the_name_of_their_number_or_kind() {
    assert_eq!(errno_name(libc::EMFILE), "EMFILE");
    assert_eq!(errno_name(99_999), "other");
    assert_eq!(
        errno_name_of(&io::Error::from_raw_os_error(libc::ECONNREFUSED)),
        Some("ECONNREFUSED")
    );
    assert_eq!(
        errno_name_of(&io::Error::from(io::ErrorKind::BrokenPipe)),
        Some("EPIPE")
    );
    assert_eq!(errno_name_of(&io::Error::other("no number")), None);
}
