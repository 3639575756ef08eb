//! The body that carries an exchange to its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};

use super::{
    End, EndReason, ErrorHook, Observer,
    body_length::{ExpectedLength, UNKNOWN},
    poll_guard::PollGuard,
};

/// A response body whose end is the end of its exchange. See the [module docs](super).
///
/// Passes frames, errors, size hint and `is_end_stream` of the inner body through.
#[pin_project(PinnedDrop)]
pub struct ObservedBody<B, O: Observer, V = ()> {
    /// `None` for the body of a response that an observer made.
    #[pin]
    inner: Option<B>,
    /// `None` for a body that is not observed, and after the end.
    exchange: Option<Box<O>>,
    bytes: u64,
    expected: ExpectedLength,
    errors: V,
}

impl<B, O: Observer, V> ObservedBody<B, O, V> {
    #[inline]
    pub(super) fn new(inner: B, exchange: Option<Box<O>>, expected: ExpectedLength, errors: V) -> Self {
        Self {
            inner: Some(inner),
            exchange,
            bytes: 0,
            expected,
            errors,
        }
    }

    pub(super) fn empty(errors: V) -> Self {
        Self {
            inner: None,
            exchange: None,
            bytes: 0,
            expected: UNKNOWN,
            errors,
        }
    }

    /// Returns the observer while the exchange goes on.
    #[inline]
    #[must_use]
    pub fn observer(&self) -> Option<&O> {
        self.exchange.as_deref()
    }
}

impl<B, O: Observer> ObservedBody<B, O> {
    /// Wraps a body that no exchange of a service carries, such as a request body. `None` observes nothing.
    #[inline]
    pub fn of_body(inner: B, observer: Option<O>) -> Self {
        Self::new(inner, observer.map(Observer::boxed), UNKNOWN, ())
    }
}

impl<B, O, V> Body for ObservedBody<B, O, V>
where
    B: Body,
    O: Observer,
    V: ErrorHook<B::Error, O>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        if this.exchange.is_none() {
            return inner.poll_frame(cx);
        }
        let mut guard = PollGuard::enter(this.exchange, *this.bytes);
        if O::INTERRUPTS_BODIES
            && let Some(trailers) = guard.observer().and_then(|observer| observer.interrupt_body(cx))
        {
            return Poll::Ready(Some(Ok(end_with(this.inner, guard, trailers))));
        }
        let Poll::Ready(frame) = inner.as_mut().poll_frame(cx) else {
            guard.leave();
            return Poll::Pending;
        };
        let end = match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    *this.bytes += data.remaining() as u64;
                }
                let trailers = frame.trailers_ref();
                (trailers.is_some() || inner.is_end_stream()).then_some((EndReason::Complete, trailers))
            }
            Some(Err(error)) => {
                // A transport with the same deadline may fail a moment before the observer's timer.
                if O::INTERRUPTS_BODIES
                    && let Some(trailers) = guard.observer().and_then(|observer| observer.interrupt_body(cx))
                {
                    return Poll::Ready(Some(Ok(end_with(this.inner, guard, trailers))));
                }
                if let Some(observer) = guard.observer() {
                    this.errors.on_error(observer, error);
                }
                Some((EndReason::Failed, None))
            }
            None => Some((EndReason::Complete, None)),
        };
        match end {
            Some((reason, trailers)) => guard.end(End {
                reason,
                bytes: *this.bytes,
                trailers,
            }),
            None => guard.leave(),
        }
        Poll::Ready(frame)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// Drops the inner body, and ends the exchange with these trailers.
#[cold]
fn end_with<B: Body, O: Observer>(
    mut inner: Pin<&mut Option<B>>,
    guard: PollGuard<'_, O>,
    trailers: HeaderMap,
) -> Frame<B::Data> {
    let bytes = guard.bytes();
    // Dropped here, so that the observer is entered.
    inner.set(None);
    guard.end(End {
        reason: EndReason::Complete,
        bytes,
        trailers: Some(&trailers),
    });
    Frame::trailers(trailers)
}

#[pinned_drop]
impl<B, O: Observer, V> PinnedDrop for ObservedBody<B, O, V> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.exchange.is_some() {
            let guard = PollGuard::enter(this.exchange, *this.bytes);
            // Dropped here, so that the observer is entered.
            this.inner.set(None);
            let reason = if *this.bytes >= *this.expected {
                EndReason::Complete
            } else {
                EndReason::Dropped
            };
            guard.end_at_drop(End {
                reason,
                bytes: *this.bytes,
                trailers: None,
            });
        }
    }
}

impl<B, O: Observer, V: Default> Default for ObservedBody<B, O, V> {
    /// Makes an empty body that is not observed, for responses that an outer layer makes.
    fn default() -> Self {
        Self::empty(V::default())
    }
}

impl<B: fmt::Debug, O: Observer, V> fmt::Debug for ObservedBody<B, O, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedBody")
            .field("inner", &self.inner)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
