//! What events make of the model.

use campanile_top::{
    model::{Event, Link, Model, Requests, Span, Text, Update},
    number::{count, end_of, front_of, of_limit, time},
};

use crate::recorded::{events, model};

fn event(name: &str, data: &str) -> Update {
    Update::Event(
        Event::read(name, data)
            .expect("it is readable")
            .expect("its name is known"),
    )
}

fn requests(ids: &[&str], total: usize) -> Requests {
    let rows: Vec<_> = ids
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","age_seconds":1.5}}"#))
        .collect();
    let json = format!(r#"{{"total":{total},"requests":[{}]}}"#, rows.join(","));
    let Some(Event::Requests(requests)) = Event::read("requests", &json).expect("it is readable") else {
        panic!("it is told by its name");
    };
    requests
}

fn ids(model: &Model, filter: &str) -> (usize, Vec<String>) {
    let (total, rows) = model.requests(filter);
    (total, rows.iter().map(|row| row.id.to_string()).collect())
}

#[test]
fn a_recorded_stream_is_known_whole() {
    let model = model();
    assert_eq!(model.about().service.as_str(), "stock");
    assert_eq!(model.about().version.as_str(), "1.4.2");
    assert_eq!(model.link(), &Link::Attached);
    assert_eq!(model.length(), 300);
    let samples = events()
        .iter()
        .filter(|event| matches!(event, Event::Sample(_)))
        .count();
    let Event::History(history) = &events()[0] else {
        panic!("the history is first");
    };
    assert_eq!(model.seconds(), history.samples.len() + samples);
    let last = model.last().expect("there are some");
    assert!(last.requests.is_some_and(|rate| rate > 0.0));
    assert!(last.percentile(2).is_some() && last.percentile(3).is_none());
    assert_eq!(last.phase.as_str(), "draining");
    assert_eq!(last.seconds_left, Some(11.5));
    let names = |names: std::collections::BTreeSet<&Text>| {
        names
            .into_iter()
            .map(Text::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(model.codes()), "200 503");
    assert_eq!(names(model.listeners()), "127.0.0.1:8080");
    assert_eq!(names(model.hosts()), "db.example");
    assert_eq!(model.requests("").0, 2);
}

#[test]
fn what_is_unknown_or_new_is_no_error() {
    let mut model = Model::default();
    model.apply(event("history", r#"{"invented":{"later":1}}"#));
    model.apply(event(
        "sample",
        r#"{"latency":null,"requests":null,"phase":null,"invented":[]}"#,
    ));
    assert_eq!(model.last().and_then(|sample| sample.requests), None);
    assert_eq!(Event::read("invented", "later").expect("it is passed over"), None);
    assert!(Event::read("sample", "<html>").is_err());
}

#[test]
fn no_more_is_kept_than_the_port_keeps() {
    let mut model = Model::default();
    model.apply(event(
        "history",
        r#"{"length":3,"samples":[{"requests":1},{"requests":2}]}"#,
    ));
    for rate in 3..=5 {
        model.apply(event("sample", &format!(r#"{{"requests":{rate}}}"#)));
    }
    assert_eq!(model.seconds(), 3);
    let cells = model.course(|sample| sample.requests).cells(Span::Seconds, 5);
    assert_eq!(cells, [None, None, Some(3.0), Some(4.0), Some(5.0)]);
}

#[test]
fn a_cell_of_many_seconds_is_their_most_and_stays_while_others_come() {
    let mut model = Model::default();
    model.apply(event("history", r#"{"length":6,"samples":[]}"#));
    let mut course = |rate: Option<u32>| {
        let rate = rate.map_or_else(|| "null".to_owned(), |rate| rate.to_string());
        model.apply(event("sample", &format!(r#"{{"requests":{rate}}}"#)));
        model.course(|sample| sample.requests).cells(Span::Whole, 3)
    };
    assert_eq!(course(Some(1)), [None, None, Some(1.0)]);
    assert_eq!(course(Some(9)), [None, None, Some(9.0)]);
    assert_eq!(course(None), [None, Some(9.0), None]);
    assert_eq!(course(Some(2)), [None, Some(9.0), Some(2.0)]);
    assert_eq!(course(Some(4)), [Some(9.0), Some(2.0), Some(4.0)]);
    assert_eq!(model.course(|sample| sample.requests).cells(Span::Whole, 0), []);
}

#[test]
fn a_lost_port_keeps_what_was_known_until_it_is_back() {
    let mut model = model();
    model.apply(Update::Lost("has ended the stream".to_owned()));
    assert_eq!(model.link(), &Link::Lost("has ended the stream".to_owned()));
    assert!(model.last().is_some());
    model.apply(event("history", r#"{"service":"other","samples":[]}"#));
    assert_eq!(model.link(), &Link::Attached);
    assert_eq!(model.about().service.as_str(), "other");
    assert!(model.last().is_none() && !model.tells_requests());
}

#[test]
fn a_filter_shows_what_is_known_until_the_port_has_answered() {
    let mut model = Model::default();
    model.apply(Update::Event(Event::Requests(requests(&["ab", "bc"], 500))));
    assert_eq!(ids(&model, ""), (500, vec!["ab".into(), "bc".into()]));
    assert_eq!(ids(&model, "a"), (1, vec!["ab".into()]));
    model.apply(Update::Found("a".to_owned(), requests(&["ab", "za"], 2)));
    assert_eq!(ids(&model, "a"), (2, vec!["ab".into(), "za".into()]));
    assert_eq!(
        ids(&model, "bc"),
        (1, vec!["bc".into()]),
        "the answer was to another filter"
    );
    assert_eq!(ids(&model, "").0, 500);
}

#[test]
fn text_that_steers_a_terminal_is_replaced() {
    let text = Text::from("a\u{1b}[2J\u{9b}\u{202e}b\n".to_owned());
    assert_eq!(text.as_str(), "a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}");
}

#[test]
fn numbers_are_spelt_as_on_the_page() {
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
    let times = [0.000_25, 0.0123, 0.25, 1.26, 75.0].map(|seconds| time(Some(seconds)));
    assert_eq!(times, ["250 µs", "12.3 ms", "250 ms", "1.3 s", "1 min 15 s"]);
    assert_eq!(of_limit(Some(3.0), Some(128.0)), "3 of 128");
    assert_eq!(of_limit(Some(3.0), Some(0.0)), "3");
    assert_eq!(
        [end_of("abcdef", 3), end_of("abc", 3), end_of("abc", 0)],
        ["…ef", "abc", ""]
    );
    assert_eq!(
        [front_of("abcdef", 3), front_of("abc", 3), front_of("abc", 0)],
        ["ab…", "abc", ""]
    );
}
