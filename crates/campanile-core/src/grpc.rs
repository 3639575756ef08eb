//! Status codes, timeouts and content types of [gRPC over HTTP/2].
//!
//! [gRPC over HTTP/2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};

use crate::headers;

/// A gRPC status code.
///
/// Exhaustive: the protocol's list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the names are the documentation: https://grpc.io/docs/guides/status-codes/"
)]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// All codes, ordered by number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// Parses `grpc-status` from trailers, or from the head of a trailers-only response.
    ///
    /// An invalid value is [`Code::Unknown`], as the protocol requires; a missing header is `None`.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        static NAME: HeaderName = headers::GRPC_STATUS;
        let value = headers::find(headers, &NAME)?;
        // `str::parse` accepts a sign.
        let number = match *value.as_bytes() {
            [digit @ b'0'..=b'9'] => digit - b'0',
            [b'1', digit @ b'0'..=b'6'] => 10 + digit - b'0',
            _ => return Some(Self::Unknown),
        };
        Some(Self::ALL[usize::from(number)])
    }

    /// Returns the code of a response without `grpc-status`, from its HTTP status.
    ///
    /// From gRPC's [mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md). 200 is
    /// [`Code::Unknown`]: the status is missing.
    #[must_use]
    pub fn from_http_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Returns the value of `grpc-status`.
    #[must_use]
    pub fn to_header(self) -> HeaderValue {
        HeaderValue::from(self as u16)
    }

    /// Returns the name of the code, such as `DEADLINE_EXCEEDED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// The message of a call that a deadline layer has ended in its body.
static DEADLINE_MESSAGE: &str = "the deadline of the call has passed";

/// Makes the trailers that end the response body of a call whose deadline has passed.
///
/// [`is_deadline_trailers`] recognises them, so that an enclosing layer distinguishes them from a status of the handler.
#[cold]
#[must_use]
pub fn deadline_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(headers::GRPC_STATUS, Code::DeadlineExceeded.to_header());
    trailers.insert(headers::GRPC_MESSAGE, HeaderValue::from_static(DEADLINE_MESSAGE));
    trailers
}

/// Returns whether these are trailers that [`deadline_trailers`] made in this process: their message is the same memory,
/// which a message that was received is not.
#[must_use]
pub fn is_deadline_trailers(trailers: &HeaderMap) -> bool {
    trailers
        .get(headers::GRPC_MESSAGE)
        .is_some_and(|message| std::ptr::eq(message.as_bytes(), DEADLINE_MESSAGE.as_bytes()))
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns whether a request or response with these headers is gRPC, by its content type.
///
/// `application/grpc` and `application/grpc+proto` are; `application/grpc-web` is not, since its status is in the body.
#[inline]
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers::find(headers, &CONTENT_TYPE).is_some_and(is_grpc_type)
}

/// Returns whether [`is_grpc`] may return true. Cheaper, and has false positives: the caller checks again on its slow
/// path.
#[inline]
#[must_use]
pub fn may_be_grpc(headers: &HeaderMap) -> bool {
    headers.keys_len() > headers::LINEAR_SEARCH_MAX
        || headers
            .iter()
            .any(|(name, value)| *name == CONTENT_TYPE && value.as_bytes().starts_with(b"application/grpc"))
}

fn is_grpc_type(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// The most bytes of a method's name.
const MAX_NAME: usize = 128;

/// Returns `package.Service/Method` of a request's path.
///
/// `None` for a path that is not of this form, with letters, digits and `_` in each name, or longer than 128 bytes:
/// callers choose paths freely, and the name is used as a label value.
#[must_use]
pub fn method_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/').filter(|name| name.len() <= MAX_NAME)?;
    let (service, method) = name.split_once('/')?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_service = !service.is_empty() && service.bytes().all(|byte| is_word(byte) || byte == b'.');
    let is_method = !method.is_empty() && method.bytes().all(is_word);
    (is_service && is_method).then_some(name)
}

/// Parses the value of `grpc-timeout`: one to eight digits and a unit of `H`, `M`, `S`, `m`, `u` or `n`.
#[must_use]
pub fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Formats a time as the value of `grpc-timeout`, rounded down, in the finest unit that fits into eight digits.
#[must_use]
pub fn format_timeout(time: Duration) -> HeaderValue {
    const LARGEST: u128 = 99_999_999;
    let (count, unit) = [
        (time.as_nanos(), 'n'),
        (time.as_micros(), 'u'),
        (time.as_millis(), 'm'),
        (u128::from(time.as_secs()), 'S'),
        (u128::from(time.as_secs() / 60), 'M'),
    ]
    .into_iter()
    .find(|(count, _)| *count <= LARGEST)
    .unwrap_or_else(|| (u128::from(time.as_secs() / 3600).min(LARGEST), 'H'));
    HeaderValue::try_from(format!("{count}{unit}")).expect("digits and a letter are ASCII")
}
