//! The body that knows its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    EndReason, OnBodyEnd,
    end::EndOnce,
    tracking::{BodyTracker, UNKNOWN},
};

impl<H: OnBodyEnd> BodyTracker<H> {
    /// Wraps the body of the answer.
    #[inline]
    pub fn wrap<B>(self, inner: B) -> TrackedBody<B, H> {
        TrackedBody {
            inner,
            bytes: 0,
            whole: self.whole,
            on_end: self.on_end,
        }
    }
}

impl<B, H: OnBodyEnd> TrackedBody<B, H> {
    /// Wraps a body that stands alone, such as a request's: its end is what it says and nothing else.
    pub fn tracked(inner: B, on_end: H) -> Self {
        Self::with(inner, Some(on_end))
    }

    /// Makes a body of this type that tells nobody, for answers that are not counted.
    #[inline]
    pub fn untracked(inner: B) -> Self {
        Self::with(inner, None)
    }

    /// Returns who is told of the end, while it is still to come.
    #[inline]
    #[must_use]
    pub fn watcher(&self) -> Option<&H> {
        self.on_end.as_ref()
    }

    #[inline]
    fn with(inner: B, on_end: Option<H>) -> Self {
        Self {
            inner,
            bytes: 0,
            whole: UNKNOWN,
            on_end,
        }
    }
}

pin_project! {
    /// A body that tells its end. See the [module docs](self).
    pub struct TrackedBody<B, H: OnBodyEnd> {
        #[pin]
        inner: B,
        bytes: u64,
        // Bytes after which the server stops, or `UNKNOWN`.
        whole: u64,
        on_end: Option<H>,
    }

    impl<B, H: OnBodyEnd> PinnedDrop for TrackedBody<B, H> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let how = if *this.bytes >= *this.whole {
                EndReason::Complete
            } else {
                EndReason::Dropped
            };
            this.on_end.end(how, *this.bytes, None);
        }
    }
}

/// The body is being polled: a drop is its panic.
struct Polling<'a, H: OnBodyEnd> {
    on_end: &'a mut Option<H>,
    bytes: u64,
    has_returned: bool,
}

impl<H: OnBodyEnd> Polling<'_, H> {
    #[inline]
    fn returned(mut self) {
        self.has_returned = true;
    }
}

impl<H: OnBodyEnd> Drop for Polling<'_, H> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_returned {
            self.on_end.end(EndReason::Panicked, self.bytes, None);
        }
    }
}

type PolledFrame<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl<B: Body, H: OnBodyEnd> TrackedBody<B, H> {
    /// Polls for a frame as [`Body::poll_frame`] does, and shows an error to `on_error` before it ends the body.
    ///
    /// For an [`OnBodyEnd`] that has to know which error it was.
    #[inline]
    #[allow(clippy::type_complexity, reason = "the type is `Body::poll_frame`'s")]
    pub fn poll_frame_with(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        on_error: impl FnOnce(&mut H, &B::Error),
    ) -> PolledFrame<B> {
        let mut this = self.project();
        let polling = Polling {
            on_end: this.on_end,
            bytes: *this.bytes,
            has_returned: false,
        };
        let polled = this.inner.as_mut().poll_frame(cx);
        polling.returned();
        let frame = ready!(polled);
        let end = match &frame {
            Some(Ok(frame)) => {
                let trailers = frame.trailers_ref();
                if let Some(data) = frame.data_ref() {
                    *this.bytes += data.remaining() as u64;
                }
                (trailers.is_some() || this.inner.is_end_stream()).then_some((EndReason::Complete, trailers))
            }
            Some(Err(error)) => {
                if let Some(on_end) = this.on_end {
                    on_error(on_end, error);
                }
                Some((EndReason::Failed, None))
            }
            None => Some((EndReason::Complete, None)),
        };
        if let Some((how, trailers)) = end {
            this.on_end.end(how, *this.bytes, trailers);
        }
        Poll::Ready(frame)
    }
}

impl<B: Body, H: OnBodyEnd> Body for TrackedBody<B, H> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.poll_frame_with(cx, |_, _| ())
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default, H: OnBodyEnd> Default for TrackedBody<B, H> {
    fn default() -> Self {
        Self::untracked(B::default())
    }
}

impl<B: fmt::Debug, H: OnBodyEnd> fmt::Debug for TrackedBody<B, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedBody")
            .field("inner", &self.inner)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
