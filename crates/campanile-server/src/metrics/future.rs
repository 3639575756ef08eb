//! The future and the body that carry an exchange to its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile_http::{
    Outcome,
    body::{self, TrackedBody},
};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{ending::Ending, exchange::Head, layer::Config};

pin_project! {
    /// The future of [`Metrics`](super::Metrics).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Nothing for a request that is not counted here, and once the head is out.
        ending: Option<Ending>,
        head: Head,
        // Set around every poll of the inner future: a drop meanwhile is its panic.
        inside: bool,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(ending) = this.ending {
                ending.end_early(if *this.inside { Outcome::Panicked } else { Outcome::Cancelled });
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    /// Makes the future of a request that is not counted here.
    pub(super) fn passing(config: &Config, inner: F) -> Self {
        Self {
            inner,
            ending: None,
            head: Head::of_nothing(config),
            inside: false,
        }
    }

    /// Makes the future of an exchange.
    #[inline]
    pub(super) fn counting(inner: F, ending: Ending, head: Head) -> Self {
        Self {
            inner,
            ending: Some(ending),
            head,
            inside: false,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(ending) = this.ending.as_mut() else {
            let response = ready!(this.inner.poll(cx))?;
            return Poll::Ready(Ok(response.map(|body| ResponseBody {
                inner: TrackedBody::untracked(body),
            })));
        };
        *this.inside = true;
        let polled = this.head.call_inner(ending, || this.inner.poll(cx));
        *this.inside = false;
        match ready!(polled) {
            Ok(response) => {
                let asked = this.head.note(ending, &response);
                let ending = this.ending.take().expect("seen above");
                Poll::Ready(Ok(body::track_as(response, asked, ending, |inner| {
                    ResponseBody { inner }
                })))
            }
            Err(error) => {
                ending.end_early(Outcome::Failed);
                *this.ending = None;
                Poll::Ready(Err(error))
            }
        }
    }
}

pin_project! {
    /// The body of an answer, whose end is the end of the exchange.
    pub struct ResponseBody<B> {
        #[pin]
        inner: TrackedBody<B, Ending>,
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().inner.poll_frame(cx)
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

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self {
            inner: TrackedBody::default(),
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
