//! Properties of request ids with any bytes.

use campanile_core::RequestId;
use http::HeaderValue;

/// Bytes at the end of an id that composed ids keep.
const KEPT: usize = 239;

/// Parses the bytes as a header value and as text.
pub(crate) fn check(bytes: &[u8]) {
    let valid = is_id(bytes.trim_ascii());
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        match RequestId::from_header(&value) {
            Ok(id) => check_id(&id, bytes),
            Err(_) => assert!(!valid, "{value:?} is rejected"),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match text.parse() {
            Ok(id) => check_id(&id, bytes),
            Err(_) => assert!(!valid, "{text:?} is rejected"),
        }
    }
}

fn is_id(bytes: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_graphic() && !b",;\"".contains(byte);
    (1..=256).contains(&bytes.len()) && bytes.iter().all(allowed)
}

fn check_id(id: &RequestId, bytes: &[u8]) {
    let text = id.as_str();
    assert!(is_id(text.as_bytes()), "{text:?} is accepted");
    assert_eq!(text.as_bytes(), bytes.trim_ascii());
    check_round_trips(id);
    let mut composed = id.compose();
    for _ in 0..3 {
        check_composed(&composed, text);
        composed = composed.compose();
    }
}

/// An id parses as itself in each form.
fn check_round_trips(id: &RequestId) {
    assert_eq!(id.to_string().parse().as_ref(), Ok(id));
    assert_eq!(RequestId::from_header(id.as_header()).as_ref(), Ok(id));
    assert_eq!(id.clone().into_header(), id.as_str());
}

fn check_composed(composed: &RequestId, first: &str) {
    let text = composed.as_str();
    assert!(is_id(text.as_bytes()), "{text:?} is composed");
    let (digits, rest) = text.split_at(16);
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(digits.bytes().all(lower) && rest.starts_with('-'), "{text:?}");
    let end = &first[first.len().saturating_sub(KEPT)..];
    assert!(rest.ends_with(end), "{text:?} lost the end of {first:?}");
    check_round_trips(composed);
}
