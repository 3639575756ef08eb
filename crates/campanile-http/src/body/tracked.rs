//! The body that knows its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{HeaderMap, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Asked, BodyEnd, How, OnBodyEnd};
use crate::headers;

/// Wraps the body of an answer so that `on_end` is told of its end; at once, where that is the head.
#[inline]
pub fn track<B: Body, H: OnBodyEnd>(
    response: Response<B>,
    asked: Asked,
    on_end: H,
) -> Response<TrackedBody<B, H>> {
    let tracking = Tracking::of(&response, asked, on_end);
    response.map(|body| tracking.wrap(body))
}

/// What has to be known of an answer before its body is wrapped: [`track`] in steps.
///
/// For futures on the request path, which move an answer once where they map it in its [`Poll`].
#[derive(Debug)]
pub struct Tracking<H> {
    whole: u64,
    on_end: Option<H>,
}

/// What an answer says of its end. The first step of a [`Tracking`], and the only one that asks the body, whose code may
/// panic: until it is through, whoever is to be told of the end is still in safe hands.
#[derive(Debug, Clone, Copy)]
pub struct Foreseen {
    /// Bytes after which the server stops, [`UNKNOWN`], or [`AT_HEAD`].
    whole: u64,
}

impl Foreseen {
    /// Looks at an answer.
    #[inline]
    pub fn of<B: Body>(response: &Response<B>, asked: Asked) -> Self {
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
    pub fn tell<H: OnBodyEnd>(self, on_end: H) -> Tracking<H> {
        let mut tracking = Tracking {
            whole: self.whole,
            on_end: Some(on_end),
        };
        if self.whole == AT_HEAD {
            tracking.on_end.end(How::Complete, 0, None);
        }
        tracking
    }
}

impl<H: OnBodyEnd> Tracking<H> {
    /// Looks at an answer, and tells `on_end` of the end at once where that is the head.
    ///
    /// Where the body panics, `on_end` is dropped and told nothing; see [`Foreseen`].
    #[inline]
    pub fn of<B: Body>(response: &Response<B>, asked: Asked, on_end: H) -> Self {
        Foreseen::of(response, asked).tell(on_end)
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

/// No body is so long.
const UNKNOWN: u64 = u64::MAX;

/// Nor so long.
const AT_HEAD: u64 = u64::MAX - 1;

/// Returns [`UNKNOWN`] where the header is not there or no number.
fn content_length(headers: &HeaderMap) -> u64 {
    headers::find(headers, &CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(UNKNOWN)
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
                How::Complete
            } else {
                How::Dropped
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
            self.on_end.end(How::Panicked, self.bytes, None);
        }
    }
}

/// The state that ends once.
trait EndOnce {
    fn end(&mut self, how: How, bytes: u64, trailers: Option<&HeaderMap>);
}

impl<H: OnBodyEnd> EndOnce for Option<H> {
    #[inline]
    fn end(&mut self, how: How, bytes: u64, trailers: Option<&HeaderMap>) {
        if let Some(on_end) = self.take() {
            on_end.on_body_end(BodyEnd { how, bytes, trailers });
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
                (trailers.is_some() || this.inner.is_end_stream()).then_some((How::Complete, trailers))
            }
            Some(Err(error)) => {
                if let Some(on_end) = this.on_end {
                    on_error(on_end, error);
                }
                Some((How::Failed, None))
            }
            None => Some((How::Complete, None)),
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
