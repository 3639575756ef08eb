//! The mapping of handles and descriptions.

use campanile_recorder::profile::{Label, Profile, Row};
use metrics::{Recorder, Unit};
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};

use super::support::{counter, format_key, gauge, histogram, over};

#[test]
fn metrics_without_a_row_pass_unchanged() {
    let (recorder, recording) = over([Row::counter("a", "x").with_labels(&[])]);
    counter(&recorder, "b{z=1,a=2}").increment(3);
    gauge(&recorder, "a{z=1}").set(4.0);
    histogram(&recorder, "a_b").record(5.0);
    recorder.describe_counter("b".into(), Some(Unit::Bytes), "of b".into());
    recorder.describe_gauge("a".into(), None, "of a, but a gauge".into());
    assert_eq!(recording.recorded(), ["b{z=1,a=2} +3", "a{z=1} =4", "a_b{} 5"]);
    assert_eq!(
        recording.described(),
        ["counter b bytes: of b", "gauge a -: of a, but a gauge"]
    );
}

#[test]
fn labels_are_in_the_order_of_the_table() {
    const LABELS: &[Label] = &[
        Label::from_source("z", "second"),
        Label::constant("y", "fixed"),
        Label::computed("x", |source| {
            format!("{}+{}", source.value("first"), source.label("none").is_none()).into()
        }),
        Label::from_source("w", "first").with_mapping(|value| value.to_uppercase().into()),
        Label::from_source("v", "absent"),
        Label::from_source("u", "absent").with_default("nothing"),
        Label::from_source("t", "empty")
            .with_default("nothing")
            .with_mapping(|_| "mapped".into()),
    ];
    let (recorder, recording) = over([Row::counter("a", "b").with_labels(LABELS)]);
    counter(&recorder, "a{empty=,first=one,second=two,third=three}").increment(1);
    assert_eq!(
        recording.recorded(),
        ["b{z=two,y=fixed,x=one+true,w=ONE,v=,u=nothing,t=nothing} +1"]
    );
}

#[test]
fn process_and_host_can_be_labels() {
    const LABELS: &[Label] = &[Label::process_id("pid"), Label::host_name("host")];
    let (recorder, recording) = over([Row::counter("a", "b").with_labels(LABELS)]);
    counter(&recorder, "a").increment(1);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "unknown".into());
    let expected = format!("b{{pid={},host={}}} +1", std::process::id(), host.trim());
    assert_eq!(recording.recorded(), [expected]);
}

#[test]
fn a_row_without_labels_keeps_those_of_its_source() {
    let (recorder, recording) = over([Row::histogram("a", "b")]);
    histogram(&recorder, "a{z=1,y=2}").record(1.5);
    assert_eq!(recording.recorded(), ["b{z=1,y=2} 1.5"]);
}

#[test]
fn one_source_and_one_target_use_the_handle_of_the_inner_recorder() {
    // Cloning a handle increments the reference count of its cell only if there is no wrapper in between.
    let rows = [
        Row::counter("a", "b").with_labels(&[]),
        Row::gauge("c", "d").with_labels(const { &[Label::from_source("y", "x")] }),
        Row::gauge("m", "n")
            .with_labels(const { &[Label::from_source("y", "x").with_mapping(|value| value.into())] })
            .with_one_to_one(true),
        Row::gauge("o", "p"),
        Row::histogram("e", "f").with_labels(&[]),
    ];
    let (recorder, recording) = over(rows);
    let handle = counter(&recorder, "a{x=1}");
    assert_eq!(recording.handles(), 1);
    let _second = handle.clone();
    assert_eq!(recording.handles(), 2);
    for name in ["c{x=1}", "m{x=1}", "o{x=1}"] {
        let (recorder, recording) = over(rows);
        let handle = gauge(&recorder, name);
        let _second = handle.clone();
        assert_eq!(recording.handles(), 2, "{name}");
    }
    let (recorder, recording) = over(rows);
    let handle = histogram(&recorder, "e{x=1}");
    let _second = handle.clone();
    assert_eq!(recording.handles(), 2);
    // A scale needs a wrapper.
    let (recorder, recording) = over([Row::histogram("e", "f").in_milliseconds()]);
    let handle = histogram(&recorder, "e{x=1}");
    let _second = handle.clone();
    assert_eq!(recording.handles(), 1);
}

#[test]
fn sources_of_one_target_share_its_cell() {
    let debugging = DebuggingRecorder::new();
    let snapshotter = debugging.snapshotter();
    let rows = [
        Row::counter("a", "sum").with_labels(const { &[Label::from_source("x", "x")] }),
        Row::counter("b", "sum").with_labels(const { &[Label::from_source("x", "z")] }),
    ];
    let recorder = Profile::new(rows).unwrap().over(debugging);
    counter(&recorder, "a{x=1,y=1}").increment(1);
    counter(&recorder, "a{x=1,y=2}").increment(2);
    counter(&recorder, "b{z=1}").increment(4);
    counter(&recorder, "b{z=2}").increment(8);
    let found: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| (key.kind(), format_key(key.key()), value))
        .collect();
    assert_eq!(
        found,
        [
            (MetricKind::Counter, "sum{x=1}".to_owned(), DebugValue::Counter(7)),
            (MetricKind::Counter, "sum{x=2}".to_owned(), DebugValue::Counter(8)),
        ]
    );
}

#[test]
fn one_source_feeds_several_targets_in_the_tables_order() {
    let (recorder, recording) = over([
        Row::counter("c", "c_one").with_labels(&[]),
        Row::counter("c", "c_two"),
        Row::gauge("g", "g_one").with_labels(&[]),
        Row::gauge("g", "g_two"),
        Row::histogram("h", "h_two"),
        Row::histogram("h", "h_one").with_labels(&[]).in_milliseconds(),
    ]);
    let count = counter(&recorder, "c{x=1}");
    count.increment(1);
    count.absolute(9);
    let level = gauge(&recorder, "g{x=1}");
    level.set(2.0);
    level.increment(3.0);
    level.decrement(1.0);
    let time = histogram(&recorder, "h{x=1}");
    time.record(0.5);
    time.record_many(0.25, 3);
    assert_eq!(
        recording.recorded(),
        [
            "c_one{} +1",
            "c_two{x=1} +1",
            "c_one{} to 9",
            "c_two{x=1} to 9",
            "g_one{} =2",
            "g_two{x=1} =2",
            "g_one{} +3",
            "g_two{x=1} +3",
            "g_one{} -1",
            "g_two{x=1} -1",
            "h_two{x=1} 0.5",
            "h_one{} 500",
            "h_two{x=1} 0.25 x3",
            "h_one{} 250 x3",
        ]
    );
}

#[test]
fn a_source_that_meets_no_condition_is_dropped() {
    let (recorder, recording) = over([
        Row::counter("c", "c_bad").with_condition(|source| source.value("status") == "500"),
        Row::gauge("g", "g_bad").with_condition(|source| source.label("status").is_some()),
        Row::histogram("h", "h_bad").with_condition(|_| false),
    ]);
    counter(&recorder, "c{status=200}").increment(1);
    counter(&recorder, "c{status=500}").increment(1);
    gauge(&recorder, "g").set(1.0);
    histogram(&recorder, "h").record(1.0);
    assert_eq!(recording.recorded(), ["c_bad{status=500} +1"]);
    assert_eq!(recording.keys(), ["c_bad{status=500}"]);
}

#[test]
fn rows_with_overlapping_conditions_count_once() {
    let row = Row::counter("a", "b").with_labels(&[]);
    let (recorder, recording) = over([row.with_condition(|source| source.value("x") > "1"), row]);
    counter(&recorder, "a{x=2}").increment(1);
    assert_eq!(recording.recorded(), ["b{} +1"]);
}

#[test]
fn a_scale_multiplies_values() {
    let (recorder, recording) = over([
        Row::histogram("h", "h_ms").in_milliseconds(),
        Row::gauge("g", "g_kib").with_scale(1.0 / 1024.0, Unit::Kibibytes),
    ]);
    let time = histogram(&recorder, "h");
    time.record(0.0125);
    time.record_many(2.0, 2);
    let level = gauge(&recorder, "g");
    level.set(2048.0);
    level.increment(1024.0);
    level.decrement(512.0);
    assert_eq!(
        recording.recorded(),
        [
            "h_ms{} 12.5",
            "h_ms{} 2000 x2",
            "g_kib{} =2",
            "g_kib{} +1",
            "g_kib{} -0.5"
        ]
    );
}

#[test]
fn describing_a_source_describes_its_targets() {
    let (recorder, recording) = over([
        Row::counter("c", "c_one")
            .with_help("of the table")
            .with_unit(Unit::Count),
        Row::counter("c", "c_two"),
        Row::histogram("h", "h_ms").in_milliseconds(),
        Row::gauge("g", "g_one"),
    ]);
    recorder.describe_counter("c".into(), Some(Unit::Bytes), "of the source".into());
    recorder.describe_histogram("h".into(), Some(Unit::Seconds), "of the source".into());
    recorder.describe_gauge("g".into(), None, "of the source".into());
    assert_eq!(
        recording.described(),
        [
            "counter c_one count: of the table",
            "counter c_two bytes: of the source",
            "histogram h_ms milliseconds: of the source",
            "gauge g_one -: of the source",
        ]
    );
}

#[test]
fn all_metrics_can_be_renamed_in_ten_lines() {
    const PATH: Label = Label::from_source("path", "http_route");
    const CODE: Label = Label::from_source("code", "http_response_status_code").with_default("none");
    const PEER: Label = Label::from_source("peer", "server_address");
    const HOUSE: [Row; 7] = [
        Row::counter("http_server_requests_total", "acme_in_total").with_labels(&[PATH, CODE]),
        Row::histogram("http_server_request_duration_seconds", "acme_in_ms")
            .with_labels(&[PATH])
            .in_milliseconds()
            .with_buckets(&[1.0, 10.0, 100.0]),
        Row::gauge("http_server_active_requests", "acme_in_flight").with_labels(&[]),
        Row::counter("http_client_requests_total", "acme_out_total").with_labels(&[PEER]),
        Row::counter("http_client_errors_total", "acme_out_bad_total").with_labels(&[PEER]),
        Row::histogram("http_client_request_duration_seconds", "acme_out_ms")
            .with_labels(&[PEER])
            .in_milliseconds(),
        Row::gauge("http_client_active_requests", "acme_out_flight").with_labels(&[PEER]),
    ];
    let (recorder, recording) = over(HOUSE);
    counter(
        &recorder,
        "http_server_requests_total{http_route=/a,outcome=cancelled}",
    )
    .increment(1);
    histogram(&recorder, "http_server_request_duration_seconds{http_route=/a}").record(0.002);
    gauge(&recorder, "http_server_active_requests{http_route=/a}").increment(1.0);
    gauge(&recorder, "http_client_active_requests{server_address=stock}").increment(1.0);
    assert_eq!(
        recording.recorded(),
        [
            "acme_in_total{path=/a,code=none} +1",
            "acme_in_ms{path=/a} 2",
            "acme_in_flight{} +1",
            "acme_out_flight{peer=stock} +1",
        ]
    );
    let profile = Profile::new(HOUSE).unwrap();
    let buckets: Vec<_> = profile.buckets().collect();
    assert_eq!(buckets, [("acme_in_ms", &[1.0, 10.0, 100.0][..])]);
}

#[test]
fn buckets_are_returned_once_per_target() {
    let first = Row::histogram("a", "x").with_buckets(&[1.0, 2.0]);
    let second = Row::histogram("b", "x").with_buckets(&[1.0, 2.0]);
    let profile = Profile::new([first, second, Row::histogram("c", "y")]).unwrap();
    let buckets: Vec<_> = profile.buckets().collect();
    assert_eq!(buckets, [("x", &[1.0, 2.0][..])]);
}

#[test]
fn an_invalid_table_is_an_error_that_names_the_row() {
    let fine = Row::counter("a", "b");
    let labelled = fine.with_labels(const { &[Label::constant("x", "1"), Label::constant("y", "2")] });
    let timed = Row::histogram("h", "t").with_buckets(&[1.0, 2.0]);
    let name = "the target name must consist of letters, digits, `_`, `:` and `.`, without empty parts, and not start with a digit";
    let other_labels = "in an earlier row the target has other labels, or another order of them";
    let rising = "the bucket bounds must be finite and ascending";
    let cases: Vec<(Vec<Row>, usize, &str)> = vec![
        (vec![fine, Row::counter("", "b")], 1, "the source name is empty"),
        (vec![fine, Row::counter("a", "")], 1, name),
        (vec![Row::counter("a", "9b")], 0, name),
        (vec![Row::counter("a", "b c")], 0, name),
        (vec![Row::counter("a", "b-c")], 0, name),
        (vec![Row::counter("a", "b..c")], 0, name),
        (vec![Row::counter("a", "b.")], 0, name),
        (vec![Row::counter("a", "é")], 0, name),
        (
            vec![fine, Row::gauge("c", "b")],
            1,
            "in an earlier row the target is a counter",
        ),
        (
            vec![Row::histogram("c", "b"), Row::gauge("d", "x"), fine],
            2,
            "in an earlier row the target is a histogram",
        ),
        (vec![fine, labelled], 1, other_labels),
        (
            vec![labelled, fine.with_labels(const { &[Label::constant("x", "1")] })],
            1,
            other_labels,
        ),
        (
            vec![
                labelled,
                fine.with_labels(const { &[Label::constant("y", "2"), Label::constant("x", "1")] }),
            ],
            1,
            other_labels,
        ),
        (
            vec![fine.with_labels(const { &[Label::constant("x", "1"), Label::process_id("x")] })],
            0,
            "duplicate label `x`",
        ),
        (
            vec![fine.with_labels(const { &[Label::constant("x.y", "1")] })],
            0,
            "the label name `x.y` must consist of letters, digits and `_`, and not start with a digit",
        ),
        (
            vec![fine.with_labels(const { &[Label::constant("", "1")] })],
            0,
            "the label name `` must consist of letters, digits and `_`, and not start with a digit",
        ),
        (vec![fine.in_milliseconds()], 0, "a counter cannot be scaled"),
        (
            vec![Row::gauge("a", "b").with_scale(0.0, Unit::Count)],
            0,
            "the scale must be a positive number",
        ),
        (
            vec![Row::gauge("a", "b").with_scale(f64::NAN, Unit::Count)],
            0,
            "the scale must be a positive number",
        ),
        (vec![fine.with_buckets(&[1.0])], 0, "only a histogram has buckets"),
        (vec![timed.with_buckets(&[1.0, 1.0])], 0, rising),
        (vec![timed.with_buckets(&[1.0, f64::INFINITY])], 0, rising),
        (
            vec![timed, Row::histogram("i", "t")],
            1,
            "in an earlier row the target has other buckets",
        ),
    ];
    for (rows, index, reason) in cases {
        let row = rows[index];
        let error = Profile::new(rows).expect_err(reason).to_string();
        assert!(
            error.starts_with(&format!("row {index} of the profile, `")),
            "{error}"
        );
        assert!(error.ends_with(&format!(": {reason}")), "{error} of {row:?}");
    }
    assert!(Profile::new([]).is_ok());
    assert!(Profile::new([Row::counter("a", "acme:x.y_total"), labelled]).is_ok());
}

#[test]
fn a_profile_works_as_the_local_recorder() {
    let recorder = Profile::new([Row::counter("a", "b")])
        .unwrap()
        .over(DebuggingRecorder::new());
    let snapshotter = recorder.get_ref().snapshotter();
    metrics::with_local_recorder(&recorder, || metrics::counter!("a", "x" => "1").increment(2));
    let snapshot = snapshotter.snapshot().into_vec();
    assert_eq!(snapshot.len(), 1);
    assert_eq!(format_key(snapshot[0].0.key()), "b{x=1}");
    assert_eq!(snapshot[0].3, DebugValue::Counter(2));
}
