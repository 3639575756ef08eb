//! Any bytes as a deadline, in either header.

use std::time::Duration;

use campanile_core::{
    Deadline, grpc,
    headers::{GRPC_TIMEOUT, X_REQUEST_DEADLINE},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

const HUNDRED_YEARS: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reads bytes as the values of headers, and as a time that is written into one.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        check_moment(&value);
        check_timeout(&value);
    }
    if let Some((seconds, nanos)) = bytes.split_first_chunk()
        && let Some(nanos) = nanos.first_chunk()
    {
        let nanos = u32::from_le_bytes(*nanos) % 1_000_000_000;
        check_written(Duration::new(u64::from_le_bytes(*seconds), nanos));
    }
}

fn check_moment(value: &HeaderValue) {
    let read = |value: &HeaderValue| {
        let headers = HeaderMap::from_iter([(X_REQUEST_DEADLINE, value.clone())]);
        Deadline::from_headers(&headers)
    };
    let written = rewritten(value.as_bytes().trim_ascii());
    let Ok(deadline) = read(value) else {
        assert_eq!(written, None, "{value:?} is refused");
        return;
    };
    let deadline = deadline.expect("the header is there");
    let spelled = deadline.to_header();
    assert_eq!(Some(spelled.as_bytes()), written.as_deref(), "of {value:?}");
    let again = read(&spelled)
        .expect("what is written is read")
        .expect("is there");
    assert_eq!(again.to_header(), spelled);
    assert!(deadline.remaining() <= HUNDRED_YEARS);
    if spelled.as_bytes() < Deadline::after(Duration::ZERO).to_header().as_bytes() {
        assert!(deadline.is_passed(), "{value:?} is not over");
    }
}

/// What is written of a moment: date and time as they came, and six digits; nothing if this is none.
fn rewritten(text: &[u8]) -> Option<Vec<u8>> {
    let (moment, rest) = text.split_at_checked(19)?;
    let shape = b"0000-00-00T00:00:00";
    let fits = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        _ => byte == like,
    };
    if !moment.iter().zip(shape).all(fits) {
        return None;
    }
    let number = |range| {
        let digits: &[u8] = &moment[range];
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
    let mut written = moment.to_vec();
    if second == 60 {
        // A leap second is the one before.
        written[17..].copy_from_slice(b"59");
    }
    written.push(b'.');
    written.extend(fraction.iter().copied().chain([b'0'; 6]).take(6));
    written.push(b'Z');
    Some(written)
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
        assert!(!well_formed && deadline.is_err(), "{value:?} is refused");
        return;
    };
    assert!(well_formed, "{value:?} is taken");
    let deadline = deadline
        .expect("the layer reads what the parser reads")
        .expect("is there");
    assert!(deadline.remaining() <= time.min(HUNDRED_YEARS));
    assert_eq!(grpc::parse_timeout(&grpc::format_timeout(time)), Some(time));
}

/// What is written is no later, and no earlier than its last digit says.
fn check_written(time: Duration) {
    let value = grpc::format_timeout(time);
    let read = grpc::parse_timeout(&value).expect("what is written is read");
    let last = match value.as_bytes().last() {
        // Beyond eight digits of hours there is nothing.
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
