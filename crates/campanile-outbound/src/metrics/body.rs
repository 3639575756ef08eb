//! The body of an answer, whose end is the end of its call.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::body::TrackedBody;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{ErrorSource, ending::Ending};
use crate::failure;

pin_project! {
    /// The body of an answer. See the [module docs](super).
    pub struct ResponseBody<B, V> {
        #[pin]
        tracked: TrackedBody<B, Ending>,
        source: V,
    }
}

impl<B, V> ResponseBody<B, V> {
    pub(super) fn new(tracked: TrackedBody<B, Ending>, source: V) -> Self {
        Self { tracked, source }
    }
}

impl<B, V> Body for ResponseBody<B, V>
where
    B: Body,
    V: ErrorSource<B::Error>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let source = this.source;
        this.tracked.poll_frame_with(cx, |ending, error| {
            ending.0.fail_in_body(failure::in_body(source.first(error)));
        })
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.tracked.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.tracked.size_hint()
    }
}

impl<B: Default, V: Default> Default for ResponseBody<B, V> {
    /// Makes an empty body of no call, for answers that a layer makes by itself.
    fn default() -> Self {
        Self::new(TrackedBody::default(), V::default())
    }
}

impl<B: fmt::Debug, V> fmt::Debug for ResponseBody<B, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.tracked)
            .finish_non_exhaustive()
    }
}
