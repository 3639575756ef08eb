//! The data of a response body, which reports what reaches the socket.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::connection::WaitingBytes;

/// The data of one frame. That of HTTP/2 reports to the progress of its stream.
#[derive(Debug)]
pub(crate) struct ServedData<D> {
    inner: D,
    waiting: Option<WaitingBytes>,
}

impl<D> ServedData<D> {
    #[inline]
    pub(super) fn new(inner: D, waiting: Option<WaitingBytes>) -> Self {
        Self { inner, waiting }
    }
}

impl<D: Buf> Buf for ServedData<D> {
    #[inline]
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.inner.chunk()
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.inner.chunks_vectored(slices)
    }

    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.inner.advance(bytes);
        if let Some(waiting) = &mut self.waiting {
            waiting.advance(bytes);
        }
    }

    #[inline]
    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        let bytes = self.inner.copy_to_bytes(length);
        if let Some(waiting) = &mut self.waiting {
            waiting.advance(length);
        }
        bytes
    }
}
