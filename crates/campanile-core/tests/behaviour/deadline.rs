//! Parsing and formatting of deadlines.

use std::time::{Duration, Instant, SystemTime};

use campanile_core::{Deadline, deadline::InvalidDeadline};
use http::{HeaderMap, HeaderValue};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("valid in a header");
            (name.parse().expect("a header name"), value)
        })
        .collect()
}

fn parse(value: &str) -> Result<Option<Deadline>, InvalidDeadline> {
    Deadline::from_headers(&headers(&[("x-request-deadline", value)]))
}

fn formatted(value: &str) -> HeaderValue {
    parse(value).expect("valid").expect("a deadline").to_header()
}

fn is_about(deadline: Deadline, left: Duration) -> bool {
    deadline.remaining() <= left && deadline.remaining() + 10 * SECOND > left
}

#[test]
fn without_a_header_there_is_no_deadline() {
    assert_eq!(Deadline::from_headers(&HeaderMap::new()), Ok(None));
    assert_eq!(Deadline::from_headers(&headers(&[("accept", "*/*")])), Ok(None));
}

#[test]
fn the_fraction_is_optional_and_formatted_with_six_digits() {
    for (value, out) in [
        ("2099-01-02T03:04:05Z", "2099-01-02T03:04:05.000000Z"),
        ("2099-01-02T03:04:05.5Z", "2099-01-02T03:04:05.500000Z"),
        ("2099-01-02T03:04:05.123456Z", "2099-01-02T03:04:05.123456Z"),
        ("2099-01-02T03:04:05.123456789Z", "2099-01-02T03:04:05.123456Z"),
        ("2099-01-02T03:04:05+00:00", "2099-01-02T03:04:05.000000Z"),
        (" 2099-01-02T03:04:05Z\t", "2099-01-02T03:04:05.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
    ] {
        assert_eq!(formatted(value), out, "{value}");
    }
}

#[test]
fn a_formatted_deadline_parses_as_the_same_time() {
    let deadline = Deadline::after(90 * SECOND);
    let value = deadline.to_header();
    let again = parse(value.to_str().unwrap()).unwrap().unwrap();
    assert_eq!(again.to_header(), value);
    assert!(is_about(again, 90 * SECOND));
}

#[test]
fn a_malformed_deadline_is_an_error() {
    for value in [
        "",
        "soon",
        "1767225600",
        "2099-01-02",
        "2099-01-02T03:04:05",
        "2099-01-02 03:04:05Z",
        "2099-01-02T03:04:05+02:00",
        "2099-13-02T03:04:05Z",
        "2099-02-30T03:04:05Z",
        "2099-01-02T24:04:05Z",
        "2099-01-02T03:04:05.12x456Z",
        "2099-01-02T03:04:05.Z",
        "2099-01-02T03:04:05ZandZ",
        "1969-12-31T23:59:59Z",
        "99999-01-02T03:04:05Z",
        "2099-01-02T03:04:0\u{fc}Z",
        "2099-01-02T03:04:05Z, 2099-01-02T03:04:05Z",
    ] {
        assert!(parse(value).is_err(), "{value:?}");
    }
    let long = format!("2099-01-02T03:04:05.{}Z", "9".repeat(10_000));
    assert_eq!(formatted(&long), "2099-01-02T03:04:05.999999Z");
    assert!(
        parse("soon")
            .unwrap_err()
            .to_string()
            .starts_with("invalid deadline: expected RFC 3339")
    );
}

#[test]
fn a_deadline_in_the_past_has_passed() {
    let deadline = parse("2001-01-01T00:00:00Z").unwrap().unwrap();
    assert!(deadline.is_passed());
    assert_eq!(deadline.remaining(), Duration::ZERO);
    assert!(Deadline::after(Duration::ZERO).is_passed());
    assert!(!Deadline::after(60 * SECOND).is_passed());
    assert!(Deadline::at(SystemTime::now() - SECOND).is_passed());
}

#[test]
fn a_deadline_passes_on_the_monotonic_clock() {
    let deadline = Deadline::after(Duration::from_millis(5));
    while Instant::now() < deadline.instant() {
        std::thread::yield_now();
    }
    assert!(deadline.is_passed());
}

#[test]
fn distant_deadlines_do_not_overflow() {
    let far = parse("9999-12-31T23:59:59Z").unwrap().unwrap();
    assert!(!far.is_passed() && far.remaining() > 99 * YEAR);
    let longest = Deadline::after(Duration::MAX);
    assert!(longest.remaining() > 99 * YEAR);
    assert!(longest.to_header().to_str().unwrap().starts_with('2'));
}

#[test]
fn years_outside_1970_to_9999_are_clamped() {
    let early = Deadline::at(SystemTime::UNIX_EPOCH - 400 * YEAR);
    assert!(early.is_passed());
    assert_eq!(early.to_header(), "1970-01-01T00:00:00.000000Z");
    let late = Deadline::at(SystemTime::UNIX_EPOCH + 9_000 * YEAR);
    assert!(!late.is_passed());
    assert_eq!(late.to_header(), "9999-12-31T23:59:59.999999Z");
}

#[test]
fn min_is_the_earlier_deadline() {
    let (near, far) = (Deadline::after(SECOND), Deadline::after(60 * SECOND));
    assert_eq!(near.min(far), near);
    assert_eq!(far.min(near), near);
    let past = Deadline::at(SystemTime::now() - 60 * SECOND);
    assert!(past.min(far).is_passed() && far.min(past).is_passed());
}

#[test]
fn grpc_timeout_is_the_deadline_of_a_grpc_request() {
    let grpc = |timeout| {
        Deadline::from_headers(&headers(&[
            ("content-type", "application/grpc+proto"),
            ("grpc-timeout", timeout),
            ("x-request-deadline", "2001-01-01T00:00:00Z"),
        ]))
    };
    for (timeout, left) in [
        ("1H", 3600 * SECOND),
        ("2M", 120 * SECOND),
        ("30S", 30 * SECOND),
        ("30000m", 30 * SECOND),
        ("30000000u", 30 * SECOND),
    ] {
        assert!(is_about(grpc(timeout).unwrap().unwrap(), left), "{timeout}");
    }
    assert!(grpc("0n").unwrap().unwrap().is_passed());
    assert!(grpc("99999999H").unwrap().unwrap().remaining() > 99 * YEAR);
    for timeout in ["", "S", "5", "5s", "123456789S", "-1S"] {
        assert!(grpc(timeout).is_err(), "{timeout:?}");
    }
}

#[test]
fn grpc_timeout_is_ignored_on_other_requests() {
    let plain = headers(&[("content-type", "application/json"), ("grpc-timeout", "1S")]);
    assert_eq!(Deadline::from_headers(&plain), Ok(None));
    let grpc = headers(&[
        ("content-type", "application/grpc"),
        ("x-request-deadline", "2001-01-01T00:00:00Z"),
    ]);
    assert!(Deadline::from_headers(&grpc).unwrap().unwrap().is_passed());
}
