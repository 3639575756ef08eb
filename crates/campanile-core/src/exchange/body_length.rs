//! Where a response body ends, as far as the head says so.

use http::{HeaderMap, Method, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;

use crate::{headers, method};

/// The methods whose responses end in a way of their own. Exhaustive: HTTP has no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the methods")]
pub enum MethodClass {
    Head,
    Connect,
    Other,
}

impl MethodClass {
    /// Returns the class of a request's method.
    #[inline]
    #[must_use]
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Returns the class of the method with this [number](method::number).
    #[inline]
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        match number {
            method::HEAD => Self::Head,
            method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Returns whether a response with this status ends at its head, whatever its body says.
    #[inline]
    #[must_use]
    pub fn ends_at_head(self, status: StatusCode) -> bool {
        match self {
            Self::Head => true,
            Self::Connect if status.is_success() => true,
            _ => {
                status.is_informational()
                    || status == StatusCode::NO_CONTENT
                    || status == StatusCode::NOT_MODIFIED
            }
        }
    }
}

/// The bytes after which the server stops polling; [`UNKNOWN`] or [`AT_HEAD`] where there is no such number.
pub(super) type ExpectedLength = u64;

pub(super) const UNKNOWN: ExpectedLength = u64::MAX;
pub(super) const AT_HEAD: ExpectedLength = u64::MAX - 1;

/// Reads the expected length of a response. Calls the body's code, which may panic.
#[inline]
pub(super) fn expected_length<B: Body>(response: &Response<B>, method: MethodClass) -> ExpectedLength {
    if method.ends_at_head(response.status()) || response.body().is_end_stream() {
        return AT_HEAD;
    }
    // Hyper goes by the size hint if it is exact, else by the header.
    let hint = response.body().size_hint().exact();
    hint.unwrap_or_else(|| content_length(response.headers()))
}

fn content_length(headers: &HeaderMap) -> ExpectedLength {
    headers::find(headers, &CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .filter(|length| *length < AT_HEAD)
        .unwrap_or(UNKNOWN)
}
