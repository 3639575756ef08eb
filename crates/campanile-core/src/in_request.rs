//! Takes the request's context to where its future does not reach.
//!
//! The context is current while the layers poll the request's own future and its body. A spawned task, a stream that
//! somebody else polls and a blocking thread have to be given it:
//!
//! ```
//! use campanile_core::{InRequestExt, RequestContext, RequestId, carry_blocking};
//!
//! let context = RequestContext::new(RequestId::generate());
//! let id = context.id().clone();
//! let blocking = context.sync_scope(|| {
//!     // tokio::spawn(work.in_current_request());
//!     // Body::from_stream(rows.in_current_request());
//!     // tokio::task::spawn_blocking(carry_blocking(|| ..));
//!     carry_blocking(|| RequestContext::current().map(|current| current.id().clone()))
//! });
//! assert_eq!(std::thread::spawn(blocking).join().unwrap(), Some(id));
//! ```
//!
//! What is carried keeps the context's id alive, but not the request: its seat in the table of requests in flight is
//! given back when the request ends, whoever still holds the context.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};

use crate::{RequestContext, Scoped};

/// Gives futures, streams and bodies the context that is current now, for wherever they are polled later.
pub trait InRequestExt: Sized {
    /// Wraps `self` so that it sees the request that is being served now.
    ///
    /// Without one it stays as it is, and sees the request of whoever polls it.
    fn in_current_request(self) -> Scoped<Self> {
        Scoped::new(RequestContext::current(), self)
    }
}

impl<T> InRequestExt for T {}

/// Wraps a closure so that it sees the request that is being served now, on whatever thread it is called.
pub fn carry_blocking<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let context = RequestContext::current();
    move || match context {
        Some(context) => context.sync_scope(f),
        None => f(),
    }
}

impl<S: Stream> Stream for Scoped<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.with(|stream| stream.poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner().size_hint()
    }
}

impl<B: Body> Body for Scoped<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.with(|body| body.poll_frame(cx))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner().is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner().size_hint()
    }
}
