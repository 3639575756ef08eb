//! How an exchange ended.

use http::HeaderMap;

/// The end of an exchange.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct End<'a> {
    /// What ended it.
    pub reason: EndReason,
    /// Bytes of response data that were handed over.
    pub bytes: u64,
    /// The trailers, if they ended the body.
    pub trailers: Option<&'a HeaderMap>,
}

/// What ended an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The whole response was handed over.
    Complete,
    /// The inner service or the body returned an error.
    Failed,
    /// The future or the body was dropped before its end.
    Dropped,
    /// The inner service or the body panicked.
    Panicked,
}

impl End<'_> {
    /// Makes the end of an exchange without data or trailers.
    #[inline]
    pub(super) const fn without_data(reason: EndReason) -> Self {
        Self {
            reason,
            bytes: 0,
            trailers: None,
        }
    }
}
