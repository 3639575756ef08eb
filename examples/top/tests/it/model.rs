//! The model after events.

use campanile_top::{
    format::{count, duration, truncate_end, truncate_start, with_limit},
    model::{ConnectionState, Event, Model, RequestList, SafeText, TimeScale, Update},
};

use crate::recorded::{events, model};

fn event(name: &str, data: &str) -> Update {
    Update::Event(
        Event::parse(name, data)
            .expect("valid JSON")
            .expect("known event"),
    )
}

fn requests(ids: &[&str], total: usize) -> RequestList {
    let rows: Vec<_> = ids
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","age_seconds":1.5}}"#))
        .collect();
    let json = format!(r#"{{"total":{total},"requests":[{}]}}"#, rows.join(","));
    let Some(Event::Requests(requests)) = Event::parse("requests", &json).expect("valid JSON") else {
        panic!("unexpected event");
    };
    requests
}

fn ids(model: &Model, filter: &str) -> (usize, Vec<String>) {
    let (total, rows) = model.requests(filter);
    (total, rows.iter().map(|row| row.id.to_string()).collect())
}

#[test]
fn recorded_stream_is_applied() {
    let model = model();
    assert_eq!(model.service_info().service.as_str(), "stock");
    assert_eq!(model.service_info().version.as_str(), "1.4.2");
    assert_eq!(model.connection(), &ConnectionState::Connected);
    assert_eq!(model.history_seconds(), 300);
    let samples = events()
        .iter()
        .filter(|event| matches!(event, Event::Sample(_)))
        .count();
    let Event::History(history) = &events()[0] else {
        panic!("history is first");
    };
    assert_eq!(model.sample_count(), history.samples.len() + samples);
    let last = model.last().expect("has samples");
    assert!(last.requests.is_some_and(|rate| rate > 0.0));
    assert!(last.percentile(2).is_some() && last.percentile(3).is_none());
    assert_eq!(last.phase.as_str(), "draining");
    assert_eq!(last.seconds_left, Some(11.5));
    let names = |names: std::collections::BTreeSet<&SafeText>| {
        names
            .into_iter()
            .map(SafeText::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(model.codes()), "200 503");
    assert_eq!(names(model.listeners()), "127.0.0.1:8080");
    assert_eq!(names(model.hosts()), "db.example");
    assert_eq!(model.requests("").0, 2);
}

#[test]
fn unknown_fields_and_events_are_ignored() {
    let mut model = Model::default();
    model.apply(event("history", r#"{"invented":{"later":1}}"#));
    model.apply(event(
        "sample",
        r#"{"latency":null,"requests":null,"phase":null,"invented":[]}"#,
    ));
    assert_eq!(model.last().and_then(|sample| sample.requests), None);
    assert_eq!(Event::parse("invented", "later").expect("ignored"), None);
    assert!(Event::parse("sample", "<html>").is_err());
}

#[test]
fn history_is_as_long_as_that_of_the_port() {
    let mut model = Model::default();
    model.apply(event(
        "history",
        r#"{"length":3,"samples":[{"requests":1},{"requests":2}]}"#,
    ));
    for rate in 3..=5 {
        model.apply(event("sample", &format!(r#"{{"requests":{rate}}}"#)));
    }
    assert_eq!(model.sample_count(), 3);
    let cells = model
        .series(|sample| sample.requests)
        .cells(TimeScale::Seconds, 5);
    assert_eq!(cells, [None, None, Some(3.0), Some(4.0), Some(5.0)]);
}

#[test]
fn cell_is_the_maximum_of_its_seconds_and_stays() {
    let mut model = Model::default();
    model.apply(event("history", r#"{"length":6,"samples":[]}"#));
    let mut series = |rate: Option<u32>| {
        let rate = rate.map_or_else(|| "null".to_owned(), |rate| rate.to_string());
        model.apply(event("sample", &format!(r#"{{"requests":{rate}}}"#)));
        model.series(|sample| sample.requests).cells(TimeScale::Full, 3)
    };
    assert_eq!(series(Some(1)), [None, None, Some(1.0)]);
    assert_eq!(series(Some(9)), [None, None, Some(9.0)]);
    assert_eq!(series(None), [None, Some(9.0), None]);
    assert_eq!(series(Some(2)), [None, Some(9.0), Some(2.0)]);
    assert_eq!(series(Some(4)), [Some(9.0), Some(2.0), Some(4.0)]);
    assert_eq!(
        model.series(|sample| sample.requests).cells(TimeScale::Full, 0),
        []
    );
}

#[test]
fn lost_connection_keeps_the_samples() {
    let mut model = model();
    model.apply(Update::Lost("the event stream ended".to_owned()));
    assert_eq!(
        model.connection(),
        &ConnectionState::Lost("the event stream ended".to_owned())
    );
    assert!(model.last().is_some());
    model.apply(event("history", r#"{"service":"other","samples":[]}"#));
    assert_eq!(model.connection(), &ConnectionState::Connected);
    assert_eq!(model.service_info().service.as_str(), "other");
    assert!(model.last().is_none() && !model.has_requests());
}

#[test]
fn filter_uses_known_requests_until_the_port_responds() {
    let mut model = Model::default();
    model.apply(Update::Event(Event::Requests(requests(&["ab", "bc"], 500))));
    assert_eq!(ids(&model, ""), (500, vec!["ab".into(), "bc".into()]));
    assert_eq!(ids(&model, "a"), (1, vec!["ab".into()]));
    model.apply(Update::Filtered("a".to_owned(), requests(&["ab", "za"], 2)));
    assert_eq!(ids(&model, "a"), (2, vec!["ab".into(), "za".into()]));
    assert_eq!(
        ids(&model, "bc"),
        (1, vec!["bc".into()]),
        "the response was for another filter"
    );
    assert_eq!(ids(&model, "").0, 500);
}

#[test]
fn control_characters_are_replaced() {
    let text = SafeText::from("a\u{1b}[2J\u{9b}\u{202e}b\n".to_owned());
    assert_eq!(text.as_str(), "a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}");
}

#[test]
fn values_are_formatted_as_on_the_page() {
    let counts = [
        None,
        Some(0.0),
        Some(3.25),
        Some(99.95),
        Some(100.4),
        Some(12_345.0),
    ]
    .map(count);
    assert_eq!(counts, ["–", "0", "3.2", "100.0", "100", "12k"]);
    let times = [0.000_25, 0.0123, 0.25, 1.26, 75.0].map(|seconds| duration(Some(seconds)));
    assert_eq!(times, ["250 µs", "12.3 ms", "250 ms", "1.3 s", "1 min 15 s"]);
    assert_eq!(with_limit(Some(3.0), Some(128.0)), "3 of 128");
    assert_eq!(with_limit(Some(3.0), Some(0.0)), "3");
    assert_eq!(
        [
            truncate_start("abcdef", 3),
            truncate_start("abc", 3),
            truncate_start("abc", 0)
        ],
        ["…ef", "abc", ""]
    );
    assert_eq!(
        [
            truncate_end("abcdef", 3),
            truncate_end("abc", 3),
            truncate_end("abc", 0)
        ],
        ["ab…", "abc", ""]
    );
}
