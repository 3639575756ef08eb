//! Recording, registration and rendering.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicU64, Ordering},
};

use campanile_recorder::{CellRecorder, Format, Matcher, Profile, Value};
use metrics::{Key, Label, Level, Metadata, Recorder, Unit};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| Label::new(*name, *value))
        .collect();
    Key::from_parts(name, labels)
}

fn value(recorder: &CellRecorder, name: &str) -> Value {
    let snapshot = recorder.snapshot();
    let family = snapshot
        .families
        .iter()
        .find(|family| &*family.name == name)
        .expect("is registered");
    family.series[0].value.clone()
}

#[test]
fn every_kind_is_rendered_in_both_formats() {
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::name("wait_seconds"), &[0.5, 1.0])
        .build();
    recorder.describe_counter(
        "hits_total".into(),
        None,
        "What hit.\nTwice \"quoted\" \\.".into(),
    );
    recorder.describe_histogram("wait_seconds".into(), Some(Unit::Seconds), "How long.".into());
    recorder
        .register_counter(&key("hits_total", &[("b", "2"), ("a", "x\"y")]), &METADATA)
        .increment(3);
    recorder
        .register_counter(&key("hits_total", &[]), &METADATA)
        .increment(1);
    recorder.register_gauge(&key("level", &[]), &METADATA).set(-0.25);
    let wait = recorder.register_histogram(&key("wait_seconds", &[("a", "b")]), &METADATA);
    for seconds in [0.25, 0.5, 0.75, 4.0] {
        wait.record(seconds);
    }
    assert_eq!(
        recorder.render(Format::Prometheus),
        "# HELP hits_total What hit.\\nTwice \"quoted\" \\\\.\n\
         # TYPE hits_total counter\n\
         hits_total 1\n\
         hits_total{a=\"x\\\"y\",b=\"2\"} 3\n\
         # TYPE level gauge\n\
         level -0.25\n\
         # HELP wait_seconds How long.\n\
         # TYPE wait_seconds histogram\n\
         wait_seconds_bucket{a=\"b\",le=\"0.5\"} 2\n\
         wait_seconds_bucket{a=\"b\",le=\"1\"} 3\n\
         wait_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n\
         wait_seconds_sum{a=\"b\"} 5.5\n\
         wait_seconds_count{a=\"b\"} 4\n"
    );
    assert_eq!(
        recorder.render(Format::OpenMetrics),
        "# HELP hits What hit.\\nTwice \\\"quoted\\\" \\\\.\n\
         # TYPE hits counter\n\
         hits_total 1\n\
         hits_total{a=\"x\\\"y\",b=\"2\"} 3\n\
         # TYPE level gauge\n\
         level -0.25\n\
         # HELP wait_seconds How long.\n\
         # TYPE wait_seconds histogram\n\
         # UNIT wait_seconds seconds\n\
         wait_seconds_bucket{a=\"b\",le=\"0.5\"} 2\n\
         wait_seconds_bucket{a=\"b\",le=\"1.0\"} 3\n\
         wait_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n\
         wait_seconds_sum{a=\"b\"} 5.5\n\
         wait_seconds_count{a=\"b\"} 4\n\
         # EOF\n"
    );
}

#[test]
fn chunks_concatenate_to_the_rendered_text() {
    let recorder = CellRecorder::new();
    for index in 0..2_000 {
        let labels = vec![Label::new("index", index.to_string())];
        recorder
            .register_histogram(&Key::from_parts("wait_seconds", labels), &METADATA)
            .record(0.1);
    }
    let chunks: Vec<_> = recorder.snapshot().chunks(Format::Prometheus).collect();
    assert!(chunks.len() > 10, "{} chunks", chunks.len());
    assert_eq!(chunks.concat(), recorder.render(Format::Prometheus));
}

#[test]
fn counts_of_threads_are_summed_and_outlive_them() {
    let recorder = CellRecorder::new();
    let (counter, gauge, histogram) = (
        recorder.register_counter(&key("hits_total", &[]), &METADATA),
        recorder.register_gauge(&key("level", &[]), &METADATA),
        recorder.register_histogram(&key("wait_seconds", &[]), &METADATA),
    );
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        counter.increment(2);
                        gauge.increment(3.0);
                        gauge.decrement(1.0);
                        histogram.record(0.25);
                    }
                });
            }
        });
    }
    assert_eq!(value(&recorder, "hits_total"), Value::Counter(24_000));
    assert_eq!(value(&recorder, "level"), Value::Gauge(24_000.0));
    let Value::Histogram(waits) = value(&recorder, "wait_seconds") else {
        panic!("not a histogram")
    };
    assert_eq!((waits.count(), waits.sum), (12_000, 3_000.0));
}

#[test]
fn threads_without_own_cells_count_exactly() {
    let recorder = CellRecorder::builder().with_threads(0).build();
    let (counter, gauge, histogram) = (
        recorder.register_counter(&key("hits_total", &[]), &METADATA),
        recorder.register_gauge(&key("level", &[]), &METADATA),
        recorder.register_histogram(&key("wait_seconds", &[]), &METADATA),
    );
    let together = Arc::new(Barrier::new(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                for _ in 0..10_000 {
                    counter.increment(1);
                    gauge.increment(1.0);
                    histogram.record(0.5);
                }
            });
        }
    });
    assert_eq!(value(&recorder, "hits_total"), Value::Counter(40_000));
    assert_eq!(value(&recorder, "level"), Value::Gauge(40_000.0));
    let Value::Histogram(waits) = value(&recorder, "wait_seconds") else {
        panic!("not a histogram")
    };
    assert_eq!((waits.count(), waits.sum), (40_000, 20_000.0));
}

#[test]
fn setting_a_gauge_overrides_changes_of_other_threads() {
    let recorder = CellRecorder::new();
    let gauge = recorder.register_gauge(&key("level", &[]), &METADATA);
    std::thread::scope(|scope| {
        scope.spawn(|| gauge.increment(5.0));
        scope.spawn(|| gauge.decrement(2.0));
    });
    assert_eq!(value(&recorder, "level"), Value::Gauge(3.0));
    gauge.set(10.0);
    assert_eq!(value(&recorder, "level"), Value::Gauge(10.0));
    std::thread::scope(|scope| {
        scope.spawn(|| gauge.increment(1.5));
    });
    assert_eq!(value(&recorder, "level"), Value::Gauge(11.5));
    gauge.set(f64::INFINITY);
    gauge.increment(f64::NAN);
    gauge.set(1.0);
    assert_eq!(value(&recorder, "level"), Value::Gauge(1.0));
}

#[test]
fn a_gauge_stays_finite_and_settable() {
    let recorder = CellRecorder::new();
    let gauge = recorder.register_gauge(&key("level", &[]), &METADATA);
    gauge.increment(f64::MAX);
    gauge.increment(f64::MAX);
    gauge.decrement(f64::MAX);
    gauge.set(1.0);
    assert_eq!(value(&recorder, "level"), Value::Gauge(1.0));
}

#[test]
fn concurrent_sets_and_changes_of_a_gauge_are_linearizable() {
    let recorder = CellRecorder::new();
    let gauge = recorder.register_gauge(&key("level", &[]), &METADATA);
    let (both, mut wrong) = (Barrier::new(2), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50_000 {
                both.wait();
                gauge.set(1.0);
                both.wait();
            }
        });
        for _ in 0..50_000 {
            gauge.set(0.0);
            both.wait();
            gauge.increment(1.0);
            gauge.set(1.0);
            both.wait();
            // Whichever set came last, the increment came before it.
            wrong += u32::from(value(&recorder, "level") != Value::Gauge(1.0));
        }
    });
    assert_eq!(wrong, 0);
}

#[test]
fn record_many_records_several_observations() {
    let recorder = CellRecorder::new();
    let histogram = recorder.register_histogram(&key("wait_seconds", &[]), &METADATA);
    histogram.record_many(0.5, usize::MAX / 2);
    let Value::Histogram(waits) = value(&recorder, "wait_seconds") else {
        panic!("not a histogram")
    };
    assert_eq!(waits.count(), u64::MAX / 2);
}

#[test]
fn an_absolute_count_raises_a_counter_and_never_lowers_it() {
    let recorder = CellRecorder::new();
    let counter = recorder.register_counter(&key("hits_total", &[]), &METADATA);
    std::thread::scope(|scope| {
        scope.spawn(|| counter.increment(5));
    });
    counter.absolute(7);
    counter.absolute(6);
    assert_eq!(value(&recorder, "hits_total"), Value::Counter(7));
}

#[test]
fn values_that_are_not_finite_are_not_observed() {
    let recorder = CellRecorder::new();
    let histogram = recorder.register_histogram(&key("wait_seconds", &[]), &METADATA);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0] {
        histogram.record(value);
    }
    let Value::Histogram(waits) = value(&recorder, "wait_seconds") else {
        panic!("not a histogram")
    };
    assert_eq!((waits.count(), waits.sum), (1, 1.0));
}

#[test]
fn series_beyond_the_limit_share_the_overflow_series() {
    let recorder = CellRecorder::builder().with_series_limit(2).build();
    for id in ["a", "b", "c", "d", "c", "a"] {
        recorder
            .register_counter(
                &Key::from_parts("hits_total", vec![Label::new("id", id)]),
                &METADATA,
            )
            .increment(1);
    }
    assert_eq!(
        recorder.render(Format::Prometheus),
        "# HELP campanile_recorder_series_overflows_total Registrations that went to a metric's overflow series \
         because it had as many series as allowed.\n\
         # TYPE campanile_recorder_series_overflows_total counter\n\
         campanile_recorder_series_overflows_total{metric=\"hits_total\"} 3\n\
         # TYPE hits_total counter\n\
         hits_total{id=\"a\"} 2\n\
         hits_total{id=\"b\"} 1\n\
         hits_total{otel_metric_overflow=\"true\"} 3\n"
    );
}

#[test]
fn a_name_has_one_kind() {
    let recorder = CellRecorder::new();
    recorder
        .register_counter(&key("level", &[]), &METADATA)
        .increment(1);
    recorder.register_gauge(&key("level", &[]), &METADATA).set(5.0);
    assert_eq!(value(&recorder, "level"), Value::Counter(1));
    assert_eq!(
        value(&recorder, "campanile_recorder_kind_conflicts_total"),
        Value::Counter(1)
    );
}

#[test]
fn names_that_are_rendered_the_same_are_one_series() {
    let recorder = CellRecorder::new();
    recorder
        .register_counter(&key("http.hits-total", &[("a.b", "1"), ("c", "2")]), &METADATA)
        .increment(1);
    recorder
        .register_counter(&key("http_hits_total", &[("c", "2"), ("a_b", "1")]), &METADATA)
        .increment(1);
    assert!(
        recorder
            .render(Format::Prometheus)
            .ends_with("\nhttp_hits_total{a_b=\"1\",c=\"2\"} 2\n")
    );
}

#[test]
fn the_buckets_of_a_profile_are_used() {
    let profile = Profile::talisker();
    let recorder = CellRecorder::builder().with_profile_buckets(&profile).build();
    let labelled = key(
        "http_client_request_duration_seconds",
        &[("server_address", "stock")],
    );
    profile
        .over(recorder.clone())
        .register_histogram(&labelled, &METADATA)
        .record(0.005);
    let text = recorder.render(Format::Prometheus);
    let second = "requests_latency_bucket{host=\"stock\",status=\"unknown\",view=\"unknown\",le=\"8\"} 1\n";
    assert!(text.contains(second), "{text}");
}

#[test]
fn exemplars_are_rendered_with_their_buckets_in_openmetrics() {
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::suffix("_seconds"), &[1.0])
        .with_exemplars(|labels| {
            labels.push("request_id", "a-1");
            labels.push("trace_id", "x".repeat(200));
        })
        .build();
    recorder
        .register_histogram(&key("wait_seconds", &[]), &METADATA)
        .record(0.5);
    let text = recorder.render(Format::OpenMetrics);
    let line = text
        .lines()
        .find(|line| line.contains("le=\"1.0\""))
        .expect("has the bucket");
    let (front, time) = line.rsplit_once(' ').expect("has a time");
    assert_eq!(
        front,
        "wait_seconds_bucket{le=\"1.0\"} 1 # {request_id=\"a-1\"} 0.5"
    );
    assert!(time.parse::<f64>().expect("is a number") > 1.7e9, "{time}");
    assert!(
        text.contains("le=\"+Inf\"} 1\n"),
        "an empty bucket has none: {text}"
    );
    assert!(!recorder.render(Format::Prometheus).contains("request_id"));
}

#[test]
fn the_exemplar_closure_is_called_once_a_second_even_without_labels() {
    let calls = Arc::new(AtomicU64::new(0));
    let recorder = CellRecorder::builder()
        .with_exemplars({
            let calls = Arc::clone(&calls);
            move |_| {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build();
    let histogram = recorder.register_histogram(&key("wait_seconds", &[]), &METADATA);
    let begin = std::time::Instant::now();
    for _ in 0..1_000 {
        histogram.record(0.3);
    }
    let seconds = begin.elapsed().as_secs() + 2;
    let calls = calls.load(Ordering::Relaxed);
    assert!((1..=seconds).contains(&calls), "{calls} calls");
}

#[test]
fn a_panicking_exemplar_closure_loses_only_its_exemplar() {
    let calls = AtomicU64::new(0);
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::name("wait_seconds"), &[1.0])
        .with_exemplars(move |labels| {
            assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "the first time");
            labels.push("request_id", "a-1");
        })
        .build();
    let histogram = recorder.register_histogram(&key("wait_seconds", &[]), &METADATA);
    histogram.record(0.3);
    let panics = value(&recorder, "campanile_recorder_exemplar_panics_total");
    assert_eq!(panics, Value::Counter(1));
    let begin = std::time::Instant::now();
    while !recorder.render(Format::OpenMetrics).contains("request_id") {
        assert!(
            begin.elapsed().as_secs() < 10,
            "an exemplar is recorded in the next second"
        );
        histogram.record(0.3);
        std::thread::yield_now();
    }
}

#[test]
fn an_exemplar_closure_may_record_and_render() {
    let shared = Arc::new(std::sync::OnceLock::<CellRecorder>::new());
    let recorder = CellRecorder::builder()
        .with_exemplars({
            let shared = Arc::clone(&shared);
            move |labels| {
                let recorder = shared.get().expect("set before the first observation");
                for seconds in [0.001, 100.0] {
                    recorder
                        .register_histogram(&key("wait_seconds", &[]), &METADATA)
                        .record(seconds);
                }
                assert!(recorder.render(Format::OpenMetrics).contains("wait_seconds"));
                labels.push("request_id", "a-1");
            }
        })
        .build();
    shared.set(recorder.clone()).expect("set once");
    recorder
        .register_histogram(&key("wait_seconds", &[]), &METADATA)
        .record(0.3);
    let text = recorder.render(Format::OpenMetrics);
    assert!(!text.contains("exemplar_panics"), "{text}");
    assert!(text.matches("request_id").count() >= 3, "{text}");
}

#[test]
fn matchers_accept_names_as_registered() {
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::name("queue.wait"), &[7.0])
        .with_buckets(Matcher::Prefix("9.lives".to_owned()), &[8.0])
        .with_buckets(Matcher::suffix("2xx.seconds"), &[9.0])
        .build();
    for name in ["queue.wait", "9.lives.left", "took.2xx.seconds"] {
        recorder
            .register_histogram(&key(name, &[]), &METADATA)
            .record(1.0);
    }
    assert_eq!(bounds(&recorder, "queue_wait"), [7.0]);
    assert_eq!(bounds(&recorder, "_9_lives_left"), [8.0]);
    assert_eq!(bounds(&recorder, "took_2xx_seconds"), [9.0]);
}

#[test]
fn any_matcher_set_by_the_application_precedes_the_built_in_ones() {
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::suffix("_duration_seconds"), &[9.0])
        .build();
    let name = "http_server_response_duration_seconds";
    recorder
        .register_histogram(&key(name, &[]), &METADATA)
        .record(1.0);
    assert_eq!(bounds(&recorder, name), [9.0]);
}

fn bounds(recorder: &CellRecorder, name: &str) -> Vec<f64> {
    let Value::Histogram(distribution) = value(recorder, name) else {
        panic!("{name} is not a histogram")
    };
    distribution.bounds.to_vec()
}

#[test]
fn series_that_differ_by_an_empty_label_are_one() {
    let recorder = CellRecorder::new();
    let labels: [&[(&str, &str)]; 4] = [
        &[("a", ""), ("b", "1")],
        &[("b", "1")],
        &[("b", "1"), ("c", "")],
        &[("a", ""), ("b", "1"), ("c", "")],
    ];
    for (labels, count) in labels.into_iter().zip([1, 10, 100, 1_000]) {
        let labels: Vec<Label> = labels
            .iter()
            .map(|(name, value)| Label::new((*name).to_owned(), (*value).to_owned()))
            .collect();
        let key = |name: &'static str| Key::from_parts(name, labels.clone());
        recorder
            .register_counter(&key("hits_total"), &METADATA)
            .increment(count);
        recorder
            .register_gauge(&key("level"), &METADATA)
            .increment(count as f64);
        recorder
            .register_histogram(&key("wait_seconds"), &METADATA)
            .record(1.0);
    }
    let text = recorder.render(Format::Prometheus);
    assert!(text.contains("\nhits_total{a=\"\",b=\"1\"} 1111\n"), "{text}");
    assert!(text.contains("\nlevel{a=\"\",b=\"1\"} 1111\n"), "{text}");
    assert!(
        text.contains("\nwait_seconds_count{a=\"\",b=\"1\"} 4\n"),
        "{text}"
    );
    for name in ["hits_total{", "level{", "wait_seconds_count{"] {
        assert_eq!(text.matches(name).count(), 1, "{text}");
    }
}

#[test]
fn labels_that_prometheus_reserves_are_renamed() {
    let recorder = CellRecorder::new();
    for (name, value) in [
        ("__tenant", "a"),
        ("__tenant", "b"),
        ("--zone", "c"),
        ("_one", "d"),
    ] {
        let labels = vec![Label::new(name, value)];
        recorder
            .register_counter(&Key::from_parts("hits_total", labels), &METADATA)
            .increment(1);
    }
    let expected = "# TYPE hits_total counter\n\
                    hits_total{_one=\"d\"} 1\n\
                    hits_total{exported___tenant=\"a\"} 1\n\
                    hits_total{exported___tenant=\"b\"} 1\n\
                    hits_total{exported___zone=\"c\"} 1\n";
    assert_eq!(recorder.render(Format::Prometheus), expected);
}
