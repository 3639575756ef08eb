//! Handles that are resolved once, and labels that are bounded.

use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

use campanile_core::series::{
    FOLDED, FoldCounter, Key, Kind, Lazy, METADATA, Metric, Names, SeriesTable, Source,
};
use metrics::{Counter, Recorder, Unit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// A recorder that lives as long as the process, as a layer's own has to.
fn recorder() -> (&'static DebuggingRecorder, Snapshotter) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    (recorder, recorder.snapshotter())
}

/// Name, unit, help and value of all that was recorded.
fn recorded(snapshotter: &Snapshotter) -> Vec<(String, Option<Unit>, Option<String>, DebugValue)> {
    let rows = snapshotter.snapshot().into_vec().into_iter();
    rows.map(|(key, unit, help, value)| {
        (
            key.key().name().to_owned(),
            unit,
            help.map(|help| help.to_string()),
            value,
        )
    })
    .collect()
}

fn hits(recorder: &dyn Recorder) -> Counter {
    recorder.register_counter(&metrics::Key::from_static_name("hits_total"), &METADATA)
}

#[test]
fn a_handle_is_not_resolved_without_a_recorder_and_is_after() {
    let handle = Lazy::new();
    assert!(
        handle
            .get(Source::Global, |_| -> Counter { panic!("there is no recorder") })
            .is_none()
    );

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        handle.get(Source::Global, hits).unwrap().increment(2);
        handle
            .get(Source::Global, |_| panic!("resolved already"))
            .unwrap()
            .increment(1);
    });
    let rows = recorded(&snapshotter);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].3, DebugValue::Counter(3));
}

#[test]
fn a_layers_own_recorder_needs_no_global_one() {
    let (recorder, snapshotter) = recorder();
    let handle = Lazy::default();
    let own = Source::Own(recorder);
    handle.get(own, hits).unwrap().increment(5);
    assert_eq!(recorded(&snapshotter)[0].3, DebugValue::Counter(5));
    assert_eq!(format!("{own:?} {:?}", Source::default()), "Own Global");
}

#[test]
fn racing_threads_resolve_a_handle_once() {
    let (recorder, snapshotter) = recorder();
    let (handle, made) = (Lazy::new(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let register = |recorder: &dyn Recorder| {
                        made.fetch_add(1, Ordering::Relaxed);
                        hits(recorder)
                    };
                    handle.get(Source::Own(recorder), register).unwrap().increment(1);
                }
            });
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert_eq!(recorded(&snapshotter)[0].3, DebugValue::Counter(4_000));
}

#[test]
fn folded_observations_are_counted_one_by_one() {
    let (recorder, snapshotter) = recorder();
    let folded = FoldCounter::new();
    // Before there is a recorder they are lost, but the counter is not.
    folded.count(Source::Global);
    for _ in 0..3 {
        folded.count(Source::Own(recorder));
    }
    let rows = recorded(&snapshotter);
    assert_eq!(rows.len(), 1);
    let (name, _, help, value) = &rows[0];
    assert_eq!(name, "campanile_series_folded_total");
    assert_eq!(help.as_deref(), Some(FOLDED.help));
    assert_eq!(*value, DebugValue::Counter(3));
}

#[test]
fn names_are_kept_first_come_up_to_the_limit() {
    let names = Names::new();
    assert!(names.is_empty());
    assert!(!names.admit("a", 0));
    assert!(names.admit("a", 2) && names.admit("b", 2));
    assert!(!names.admit("c", 2));
    assert!(names.admit("a", 2) && names.admit("b", 0), "what is in stays in");
    assert_eq!(names.len(), 2);
    assert!(names.admit("", 3), "an empty name is a name");
}

#[test]
fn racing_threads_pass_the_limit_by_no_more_than_their_number() {
    for round in 0..50 {
        let (names, start) = (Names::new(), Barrier::new(4));
        let admitted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (names, start, admitted) = (&names, &start, &admitted);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..200 {
                        if names.admit(&format!("{thread}-{n}"), 100) {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(names.len(), admitted.load(Ordering::Relaxed), "round {round}");
        assert!(
            (100..=104).contains(&names.len()),
            "round {round}: {}",
            names.len()
        );
    }
}

#[test]
fn a_table_finds_what_was_put_and_only_that() {
    let table = SeriesTable::new();
    assert!(table.is_empty());
    assert_eq!(table.get(Key::new(0, "a", "bc")), None);
    assert_eq!(*table.get_or_insert(Key::new(0, "a", "bc"), || 1), 1);
    assert_eq!(*table.get_or_insert(Key::new(0, "ab", "c"), || 2), 2);
    assert_eq!(*table.get_or_insert(Key::new(1, "a", "bc"), || 3), 3);
    assert_eq!(
        *table.get_or_insert(Key::new(0, "a", "bc"), || panic!("it is there")),
        1
    );
    assert_eq!(table.get(Key::new(0, "ab", "c")), Some(&2));
    assert_eq!(table.get(Key::new(2, "a", "bc")), None);
    let mut all = Vec::new();
    table.for_each(|first, second, value| all.push((first.to_owned(), second.to_owned(), *value)));
    all.sort();
    assert_eq!(
        all,
        [
            ("a".into(), "bc".into(), 1),
            ("a".into(), "bc".into(), 3),
            ("ab".into(), "c".into(), 2)
        ]
    );
}

#[test]
fn a_block_that_panics_while_it_is_made_leaves_the_table_usable() {
    let table = SeriesTable::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        table.get_or_insert(Key::new(0, "a", ""), || -> u8 { panic!("on purpose") });
    }));
    assert!(panicked.is_err());
    assert!(table.is_empty());
    assert_eq!(*table.get_or_insert(Key::new(0, "a", ""), || 7), 7);
}

#[test]
fn readers_find_their_blocks_while_the_table_grows() {
    let table = SeriesTable::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for n in 0..3_000_usize {
                    let name = n.to_string();
                    let key = Key::new(thread, &name, "x");
                    assert_eq!(*table.get_or_insert(key, || n), n);
                    let earlier = (n / 2).to_string();
                    assert_eq!(table.get(Key::new(thread, &earlier, "x")), Some(&(n / 2)));
                }
            });
        }
    });
    assert_eq!(table.len(), 12_000);
}

#[test]
fn a_line_of_the_list_describes_itself() {
    const LIST: [Metric; 3] = [
        Metric::new("a_total", Kind::Counter, None, "A."),
        Metric::new("b", Kind::Gauge, Some(Unit::Count), "B."),
        Metric::new("c_seconds", Kind::Histogram, Some(Unit::Seconds), "C."),
    ];
    let (recorder, snapshotter) = recorder();
    for metric in &LIST {
        metric.describe(recorder);
        let key = metrics::Key::from_static_name(metric.name);
        match metric.kind {
            Kind::Counter => recorder.register_counter(&key, &METADATA).increment(1),
            Kind::Gauge => recorder.register_gauge(&key, &METADATA).set(1.0),
            Kind::Histogram => recorder.register_histogram(&key, &METADATA).record(1.0),
        }
    }
    let mut rows = recorded(&snapshotter);
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    for (metric, (name, unit, help, _)) in LIST.iter().zip(rows) {
        assert_eq!(
            (metric.name, metric.unit, Some(metric.help)),
            (&*name, unit, help.as_deref())
        );
    }
}
