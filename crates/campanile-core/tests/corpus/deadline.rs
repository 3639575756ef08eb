//! Properties of deadline headers with any bytes.

use std::time::Duration;

use campanile_core::{
    Deadline, grpc,
    headers::{GRPC_TIMEOUT, X_REQUEST_DEADLINE},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

const HUNDRED_YEARS: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Parses the bytes as values of both headers, and formats a time made of them.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        check_deadline(&value);
        check_timeout(&value);
    }
    if let Some((seconds, nanos)) = bytes.split_first_chunk()
        && let Some(nanos) = nanos.first_chunk()
    {
        let nanos = u32::from_le_bytes(*nanos) % 1_000_000_000;
        check_formatted(Duration::new(u64::from_le_bytes(*seconds), nanos));
    }
}

fn check_deadline(value: &HeaderValue) {
    let parse = |value: &HeaderValue| {
        let headers = HeaderMap::from_iter([(X_REQUEST_DEADLINE, value.clone())]);
        Deadline::from_headers(&headers)
    };
    let expected = reformatted(value.as_bytes().trim_ascii());
    let Ok(deadline) = parse(value) else {
        assert_eq!(expected, None, "{value:?} is rejected");
        return;
    };
    let deadline = deadline.expect("the header is present");
    let formatted = deadline.to_header();
    assert_eq!(Some(formatted.as_bytes()), expected.as_deref(), "of {value:?}");
    let again = parse(&formatted)
        .expect("a formatted value is valid")
        .expect("the header is present");
    assert_eq!(again.to_header(), formatted);
    assert!(deadline.remaining() <= HUNDRED_YEARS);
    if formatted.as_bytes() < Deadline::after(Duration::ZERO).to_header().as_bytes() {
        assert!(deadline.is_passed(), "{value:?} has not passed");
    }
}

/// Returns the expected formatting of a valid deadline, date and time unchanged with six digits; `None` if it is
/// invalid.
fn reformatted(text: &[u8]) -> Option<Vec<u8>> {
    let (time, rest) = text.split_at_checked(19)?;
    let shape = b"0000-00-00T00:00:00";
    let fits = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        _ => byte == like,
    };
    if !time.iter().zip(shape).all(fits) {
        return None;
    }
    let number = |range| {
        let digits: &[u8] = &time[range];
        digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let second = number(17..19);
    if year < 1970 || !(1..=days).contains(&day) || number(11..13) > 23 || number(14..16) > 59 || second > 60
    {
        return None;
    }
    let rest = rest.strip_suffix(b"Z").or_else(|| rest.strip_suffix(b"+00:00"))?;
    let fraction = match rest {
        [] => rest,
        [b'.', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let mut formatted = time.to_vec();
    if second == 60 {
        // A leap second becomes the second before it.
        formatted[17..].copy_from_slice(b"59");
    }
    formatted.push(b'.');
    formatted.extend(fraction.iter().copied().chain([b'0'; 6]).take(6));
    formatted.push(b'Z');
    Some(formatted)
}

fn check_timeout(value: &HeaderValue) {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        (GRPC_TIMEOUT, value.clone()),
    ]);
    let deadline = Deadline::from_headers(&headers);
    let well_formed = match value.as_bytes() {
        [digits @ .., b'H' | b'M' | b'S' | b'm' | b'u' | b'n'] => {
            (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    let Some(time) = grpc::parse_timeout(value) else {
        assert!(!well_formed && deadline.is_err(), "{value:?} is rejected");
        return;
    };
    assert!(well_formed, "{value:?} is accepted");
    let deadline = deadline
        .expect("accepted by the parser of the timeout")
        .expect("the header is present");
    assert!(deadline.remaining() <= time.min(HUNDRED_YEARS));
    assert_eq!(grpc::parse_timeout(&grpc::format_timeout(time)), Some(time));
}

/// A formatted time is rounded down by less than its last digit.
fn check_formatted(time: Duration) {
    let value = grpc::format_timeout(time);
    let read = grpc::parse_timeout(&value).expect("a formatted value is valid");
    let last = match value.as_bytes().last() {
        // The largest value.
        Some(b'H') if read == Duration::from_secs(99_999_999 * 3600) => Duration::MAX,
        Some(b'H') => Duration::from_secs(3600),
        Some(b'M') => Duration::from_secs(60),
        Some(b'S') => Duration::from_secs(1),
        Some(b'm') => Duration::from_millis(1),
        Some(b'u') => Duration::from_micros(1),
        _ => Duration::from_nanos(1),
    };
    assert!(read <= time && time - read < last, "{time:?} became {value:?}");
    assert_eq!(grpc::parse_timeout(&grpc::format_timeout(read)), Some(read));
    assert!(Deadline::after(time).remaining() <= time.min(HUNDRED_YEARS));
}
