//! Explains the responses that hyper sends by itself to bytes that are not a valid head: 400, 414 and 431 without a body.
//!
//! hyper writes them as any response. They are recognized without doubt: nothing of an earlier response is pending, bytes of
//! a head were read, and no request began since.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::limits::HttpLimits;
use crate::rejection::RejectReason;

/// A response that is written in place of hyper's.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    bytes: Vec<u8>,
    written: usize,
}

impl ErrorResponse {
    /// Returns the response in place of hyper's, which begins with `head`; `None` if that is none of an error.
    #[cold]
    pub(super) fn in_place_of(head: &[u8], limits: &HttpLimits) -> Option<Self> {
        let reason = match head.strip_prefix(b"HTTP/1.1 ")?.get(..4)? {
            b"400 " => RejectReason::BadRequest,
            b"414 " => RejectReason::UriTooLong,
            b"431 " => RejectReason::HeadersTooLarge,
            _ => return None,
        };
        let bytes = reason.http1_response(limits);
        Some(Self { bytes, written: 0 })
    }

    /// Writes the response; then the `length` bytes of hyper's count as written.
    #[cold]
    pub(super) fn poll_write(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(io.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Poll::Ready(Ok(length))
    }
}
