//! Turns a panic of the inner service into an answer.
//!
//! The answer is 500, over gRPC `INTERNAL`, and says nothing of the panic; the log does, at level error. The
//! connection and everybody else on it survive. Inside the metrics layer the exchange's outcome is `panicked`. A
//! panic of a body that is being sent is not caught: its head has left.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{Asker, Refusal};

/// Answers when the inner service panics. See the [module docs](crate::catch_panic).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CatchPanicLayer {}

/// Answers when the inner service panics. See the [module docs](crate::catch_panic).
#[derive(Debug, Clone, Copy)]
pub struct CatchPanic<S> {
    inner: S,
}

impl CatchPanicLayer {
    /// Makes the layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CatchPanic<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let asker = Asker::of(&request);
        // The inner service is left as its panic left it, as with any service that is polled again after one.
        let inner = match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => Some(future),
            Err(panic) => {
                log(&*panic);
                None
            }
        };
        ResponseFuture { inner, asker }
    }
}

pin_project! {
    /// The future of [`CatchPanic`].
    pub struct ResponseFuture<F> {
        // Nothing where the call itself panicked.
        #[pin]
        inner: Option<F>,
        asker: Asker,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
                Ok(polled) => return polled,
                Err(panic) => log(&*panic),
            }
        }
        Poll::Ready(Ok(this.asker.refuse(Refusal::Panicked)))
    }
}

fn log(panic: &(dyn Any + Send)) {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    tracing::error!(target: "campanile::panic", panic = text, "request handler panicked");
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
