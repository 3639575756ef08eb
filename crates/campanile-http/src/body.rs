//! How a body ends. The only place that knows.
//!
//! [`TrackedBody`] passes a body through unchanged and calls an [`OnBodyEnd`] exactly once: at the last frame, at an
//! error, or when it is dropped. What counts as the end follows how servers use bodies:
//!
//! | case | end |
//! |---|---|
//! | answer to `HEAD`, 1xx, 204, 304, 2xx to `CONNECT` | at the head: the server drops the body unpolled |
//! | `is_end_stream()` from the start | at the head: it may never be polled |
//! | `is_end_stream()` after a data frame | with that frame: hyper polls no further |
//! | trailers, or `None` | then |
//! | as many bytes as the exact size hint tells, or else `Content-Length` | when it is dropped after them, complete; trailers may still follow |
//! | an error | [`How::Failed`] |
//! | dropped earlier | [`How::Dropped`], or [`How::Panicked`] if by a panic of the body itself |

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{HeaderMap, Method, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// What ended a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// All of it was handed over.
    Complete,
    /// It yielded an error.
    Failed,
    /// It was dropped before its end.
    Dropped,
    /// It panicked when polled. Told when it is dropped.
    Panicked,
}

/// The end of a body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BodyEnd<'a> {
    /// What ended it.
    pub how: How,
    /// Bytes of data that passed.
    pub bytes: u64,
    /// The trailers, where they ended it.
    pub trailers: Option<&'a HeaderMap>,
}

/// Is told when a body ends.
pub trait OnBodyEnd {
    /// Called exactly once for each tracked body, at the latest when it is dropped, also while unwinding: must not
    /// panic.
    fn on_body_end(&mut self, end: BodyEnd<'_>);
}

/// The methods whose answers end in a way of their own. HTTP has no others, so matching may be exhaustive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the methods")]
pub enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
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

/// Wraps the body of an answer so that `on_end` is told of its end; at once, where that is the head.
#[inline]
pub fn track<B: Body, H: OnBodyEnd>(
    response: Response<B>,
    asked: Asked,
    on_end: H,
) -> Response<TrackedBody<B, H>> {
    track_as(response, asked, on_end, |body| body)
}

/// Does what [`track`] does, and puts the body into a layer's own type without moving the answer once more.
#[inline]
pub fn track_as<B: Body, H: OnBodyEnd, W>(
    response: Response<B>,
    asked: Asked,
    on_end: H,
    wrap: impl FnOnce(TrackedBody<B, H>) -> W,
) -> Response<W> {
    let (head, inner) = response.into_parts();
    if asked.ends_at_head(head.status) || inner.is_end_stream() {
        Some(on_end).end(How::Complete, 0, None);
        return Response::from_parts(head, wrap(TrackedBody::untracked(inner)));
    }
    // Hyper goes by the hint where there is one, else by the header.
    let whole = inner
        .size_hint()
        .exact()
        .or_else(|| content_length(&head.headers))
        .unwrap_or(UNKNOWN);
    let body = TrackedBody {
        inner,
        bytes: 0,
        whole,
        polling: false,
        on_end: Some(on_end),
    };
    Response::from_parts(head, wrap(body))
}

impl<B, H: OnBodyEnd> TrackedBody<B, H> {
    /// Wraps a body that stands alone, such as a request's: its end is what it says and nothing else.
    pub fn tracked(inner: B, on_end: H) -> Self {
        Self::with(inner, Some(on_end))
    }

    /// Makes a body of this type that tells nobody, for answers that are not counted.
    pub fn untracked(inner: B) -> Self {
        Self::with(inner, None)
    }

    fn with(inner: B, on_end: Option<H>) -> Self {
        Self {
            inner,
            bytes: 0,
            whole: UNKNOWN,
            polling: false,
            on_end,
        }
    }

    /// Tells whether the end is still to come.
    pub fn is_open(&self) -> bool {
        self.on_end.is_some()
    }
}

/// No body is so long.
const UNKNOWN: u64 = u64::MAX;

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pin_project! {
    /// A body that tells its end. See the [module docs](self).
    pub struct TrackedBody<B, H: OnBodyEnd> {
        #[pin]
        inner: B,
        bytes: u64,
        // Bytes after which the server stops, or `UNKNOWN`.
        whole: u64,
        polling: bool,
        on_end: Option<H>,
    }

    impl<B, H: OnBodyEnd> PinnedDrop for TrackedBody<B, H> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let how = if *this.polling {
                How::Panicked
            } else if *this.bytes >= *this.whole {
                How::Complete
            } else {
                How::Dropped
            };
            this.on_end.end(how, *this.bytes, None);
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
        // Ended where it is: moving it out costs more than the rest of this.
        if let Some(on_end) = self {
            on_end.on_body_end(BodyEnd { how, bytes, trailers });
            *self = None;
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
        *this.polling = true;
        let polled = this.inner.as_mut().poll_frame(cx);
        *this.polling = false;
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
