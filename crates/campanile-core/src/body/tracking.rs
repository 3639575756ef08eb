//! What has to be known of an answer whose body is tracked.

use http::{HeaderMap, Response, header::CONTENT_LENGTH};
use http_body::Body;

use super::{EndReason, MethodClass, OnBodyEnd, TrackedBody, end::EndOnce};
use crate::headers;

/// Wraps the body of an answer so that `on_end` is told of its end; at once, where that is the head.
#[inline]
pub fn track<B: Body, H: OnBodyEnd>(
    response: Response<B>,
    asked: MethodClass,
    on_end: H,
) -> Response<TrackedBody<B, H>> {
    let tracking = BodyTracker::of(&response, asked, on_end);
    response.map(|body| tracking.wrap(body))
}

/// What has to be known of an answer before its body is wrapped: [`track`] in steps.
///
/// For futures on the request path, which move an answer once where they map it in its [`Poll`](std::task::Poll).
#[derive(Debug)]
pub struct BodyTracker<H> {
    pub(super) whole: u64,
    pub(super) on_end: Option<H>,
}

/// What an answer says of its end. The first step of a [`BodyTracker`], and the only one that asks the body, whose code may
/// panic: until it is through, whoever is to be told of the end is still in safe hands.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedLength {
    /// Bytes after which the server stops, [`UNKNOWN`], or [`AT_HEAD`].
    whole: u64,
}

impl ExpectedLength {
    /// Looks at an answer.
    #[inline]
    pub fn of<B: Body>(response: &Response<B>, asked: MethodClass) -> Self {
        let whole = if asked.ends_at_head(response.status()) || response.body().is_end_stream() {
            AT_HEAD
        } else {
            // Hyper goes by the hint where there is one, else by the header.
            let hint = response.body().size_hint().exact();
            hint.unwrap_or_else(|| content_length(response.headers()))
        };
        Self { whole }
    }

    /// Has `on_end` told of the end; at once, where that is the head.
    #[inline]
    pub fn tell<H: OnBodyEnd>(self, on_end: H) -> BodyTracker<H> {
        let mut tracking = BodyTracker {
            whole: self.whole,
            on_end: Some(on_end),
        };
        if self.whole == AT_HEAD {
            tracking.on_end.end(EndReason::Complete, 0, None);
        }
        tracking
    }
}

impl<H: OnBodyEnd> BodyTracker<H> {
    /// Looks at an answer, and tells `on_end` of the end at once where that is the head.
    ///
    /// Where the body panics, `on_end` is dropped and told nothing; see [`ExpectedLength`].
    #[inline]
    pub fn of<B: Body>(response: &Response<B>, asked: MethodClass, on_end: H) -> Self {
        ExpectedLength::of(response, asked).tell(on_end)
    }

    /// Makes the tracking of an answer whose end nobody is told.
    #[inline]
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            whole: UNKNOWN,
            on_end: None,
        }
    }

    /// Tells whether the end is still to come.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.on_end.is_some()
    }
}

/// No body is so long.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// Nor so long.
const AT_HEAD: u64 = u64::MAX - 1;

/// Returns [`UNKNOWN`] where the header is not there or no number.
fn content_length(headers: &HeaderMap) -> u64 {
    headers::find(headers, &CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(UNKNOWN)
}
