//! Carries the request context into spawned tasks, streams, bodies and blocking threads.
//!
//! The context is current while the layers poll the future and the response body of a request. Work that runs outside
//! of them is wrapped:
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
//! Carried work does not keep the request in flight: its entry in the table of requests in flight ends with the
//! request, also while a clone of the context exists.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};

use crate::{RequestContext, Scoped};

/// Extends futures, streams and bodies to run in the context of the current request, wherever they are polled later.
pub trait InRequestExt: Sized {
    /// Wraps `self` to run in the context of the current request.
    ///
    /// Without a current request, it runs in the context in which it is polled.
    fn in_current_request(self) -> Scoped<Self> {
        Scoped::new(RequestContext::current(), self)
    }
}

impl<T> InRequestExt for T {}

/// Wraps a closure to run in the context of the current request, on any thread.
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
