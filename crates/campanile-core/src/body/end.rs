//! The end of a body, and who is told of it.

use http::{HeaderMap, Method, StatusCode};

use crate::method;

/// What ended a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// All of it was handed over.
    Complete,
    /// It yielded an error.
    Failed,
    /// It was dropped before its end.
    Dropped,
    /// It panicked when polled.
    Panicked,
}

/// The end of a body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BodyEnd<'a> {
    /// What ended it.
    pub how: EndReason,
    /// Bytes of data that passed.
    pub bytes: u64,
    /// The trailers, where they ended it.
    pub trailers: Option<&'a HeaderMap>,
}

/// Is told when a body ends.
pub trait OnBodyEnd {
    /// Called exactly once for each tracked body, at the latest when it is dropped, also while unwinding: must not
    /// panic.
    fn on_body_end(self, end: BodyEnd<'_>);
}

/// The state that ends once.
pub(super) trait EndOnce {
    fn end(&mut self, how: EndReason, bytes: u64, trailers: Option<&HeaderMap>);
}

impl<H: OnBodyEnd> EndOnce for Option<H> {
    #[inline]
    fn end(&mut self, how: EndReason, bytes: u64, trailers: Option<&HeaderMap>) {
        if let Some(on_end) = self.take() {
            on_end.on_body_end(BodyEnd { how, bytes, trailers });
        }
    }
}

/// The methods whose answers end in a way of their own. HTTP has no others, so matching may be exhaustive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the methods")]
pub enum MethodClass {
    Head,
    Connect,
    Other,
}

impl MethodClass {
    /// Reads it from the request's method.
    #[inline]
    #[must_use]
    pub fn by(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Reads it from the [number](method::number) of the request's method.
    #[inline]
    #[must_use]
    pub fn by_number(number: u8) -> Self {
        match number {
            method::HEAD => Self::Head,
            method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Tells whether an answer with this status ends at its head, whatever its body says.
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
