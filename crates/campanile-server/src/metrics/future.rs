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
use http_body::Body;
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
            return Poll::Ready(Ok(response.map(TrackedBody::untracked)));
        };
        *this.inside = true;
        let polled = this.head.call_inner(ending, || this.inner.poll(cx));
        *this.inside = false;
        match ready!(polled) {
            Ok(response) => {
                let asked = this.head.note(ending, &response);
                let ending = this.ending.take().expect("seen above");
                Poll::Ready(Ok(body::track(response, asked, ending)))
            }
            Err(error) => {
                ending.end_early(Outcome::Failed);
                *this.ending = None;
                Poll::Ready(Err(error))
            }
        }
    }
}

/// The body of an answer, whose end is the end of the exchange.
pub type ResponseBody<B> = TrackedBody<B, Ending>;

impl<F: fmt::Debug> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
