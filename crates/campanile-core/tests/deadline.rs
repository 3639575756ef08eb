//! Deadlines, as they come in headers and go on in them.

use std::time::{Duration, Instant, SystemTime};

use campanile_core::{Deadline, deadline::InvalidDeadline};
use http::{HeaderMap, HeaderValue};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header may have this value");
            (name.parse().expect("a header's name"), value)
        })
        .collect()
}

fn read(value: &str) -> Result<Option<Deadline>, InvalidDeadline> {
    Deadline::from_headers(&headers(&[("x-request-deadline", value)]))
}

fn written(value: &str) -> HeaderValue {
    read(value).expect("readable").expect("there").to_header()
}

fn near(deadline: Deadline, left: Duration) -> bool {
    deadline.remaining() <= left && deadline.remaining() + 10 * SECOND > left
}

#[test]
fn no_header_is_no_deadline() {
    assert_eq!(Deadline::from_headers(&HeaderMap::new()), Ok(None));
    assert_eq!(Deadline::from_headers(&headers(&[("accept", "*/*")])), Ok(None));
}

#[test]
fn the_fraction_is_optional_and_six_digits_and_z_go_out() {
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
        assert_eq!(written(value), out, "{value}");
    }
}

#[test]
fn what_goes_out_is_read_as_the_same_moment() {
    let deadline = Deadline::after(90 * SECOND);
    let value = deadline.to_header();
    let again = read(value.to_str().unwrap()).unwrap().unwrap();
    assert_eq!(again.to_header(), value);
    assert!(near(again, 90 * SECOND));
}

#[test]
fn what_cannot_be_read_is_an_error() {
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
        assert!(read(value).is_err(), "{value:?}");
    }
    let long = format!("2099-01-02T03:04:05.{}Z", "9".repeat(10_000));
    assert_eq!(written(&long), "2099-01-02T03:04:05.999999Z");
    assert!(
        read("soon")
            .unwrap_err()
            .to_string()
            .starts_with("a deadline is a time in RFC 3339")
    );
}

#[test]
fn a_deadline_in_the_past_has_passed() {
    let deadline = read("2001-01-01T00:00:00Z").unwrap().unwrap();
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
fn far_years_are_kept_without_a_panic() {
    let far = read("9999-12-31T23:59:59Z").unwrap().unwrap();
    assert!(!far.is_passed() && far.remaining() > 99 * YEAR);
    let ever = Deadline::after(Duration::MAX);
    assert!(ever.remaining() > 99 * YEAR);
    assert!(ever.to_header().to_str().unwrap().starts_with('2'));
}

#[test]
fn moments_that_the_header_cannot_say_become_the_nearest_that_it_can() {
    let early = Deadline::at(SystemTime::UNIX_EPOCH - 400 * YEAR);
    assert!(early.is_passed());
    assert_eq!(early.to_header(), "1970-01-01T00:00:00.000000Z");
    let late = Deadline::at(SystemTime::UNIX_EPOCH + 9_000 * YEAR);
    assert!(!late.is_passed());
    assert_eq!(late.to_header(), "9999-12-31T23:59:59.999999Z");
}

#[test]
fn the_nearer_of_two_is_taken() {
    let (near, far) = (Deadline::after(SECOND), Deadline::after(60 * SECOND));
    assert_eq!(near.min(far), near);
    assert_eq!(far.min(near), near);
    let past = Deadline::at(SystemTime::now() - 60 * SECOND);
    assert!(past.min(far).is_passed() && far.min(past).is_passed());
}

#[test]
fn a_grpc_request_says_it_by_its_timeout() {
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
        assert!(near(grpc(timeout).unwrap().unwrap(), left), "{timeout}");
    }
    assert!(grpc("0n").unwrap().unwrap().is_passed());
    assert!(grpc("99999999H").unwrap().unwrap().remaining() > 99 * YEAR);
    for timeout in ["", "S", "5", "5s", "123456789S", "-1S"] {
        assert!(grpc(timeout).is_err(), "{timeout:?}");
    }
}

#[test]
fn a_grpc_timeout_says_nothing_to_other_requests() {
    let plain = headers(&[("content-type", "application/json"), ("grpc-timeout", "1S")]);
    assert_eq!(Deadline::from_headers(&plain), Ok(None));
    let grpc = headers(&[
        ("content-type", "application/grpc"),
        ("x-request-deadline", "2001-01-01T00:00:00Z"),
    ]);
    assert!(Deadline::from_headers(&grpc).unwrap().unwrap().is_passed());
}
