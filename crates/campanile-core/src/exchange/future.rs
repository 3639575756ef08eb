//! The future that carries an exchange to the response head.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project::{pin_project, pinned_drop};

use super::{
    End, EndReason, ErrorHook, Interrupt, MethodClass, ObservedBody, Observer,
    body_length::{AT_HEAD, ExpectedLength, UNKNOWN, expected_length},
    poll_guard::PollGuard,
};

/// The future of [`ExchangeService`](super::ExchangeService).
#[pin_project(PinnedDrop)]
pub struct ResponseFuture<F, O: Observer, W = (), V = ()> {
    #[pin]
    inner: Inner<F>,
    /// `None` for a request that is not observed, and once the body carries the exchange on.
    exchange: Option<Box<O>>,
    method: MethodClass,
    service_errors: W,
    body_errors: V,
}

#[pin_project(project = InnerProjection)]
pub(super) enum Inner<F> {
    Running(#[pin] F),
    /// There is no inner future, or it was interrupted. The response is taken when it is returned.
    Response(Option<Box<Response<()>>>),
}

impl<F, O: Observer, W, V> ResponseFuture<F, O, W, V> {
    #[inline]
    pub(super) fn new(
        inner: Inner<F>,
        exchange: Option<Box<O>>,
        method: MethodClass,
        (service_errors, body_errors): (W, V),
    ) -> Self {
        Self {
            inner,
            exchange,
            method,
            service_errors,
            body_errors,
        }
    }
}

/// Calls or polls the inner service. Where the observer responds to a panic, returns that response.
#[inline]
pub(super) fn guarded<O: Observer, R>(
    guard: &mut PollGuard<'_, O>,
    run: impl FnOnce() -> R,
) -> Result<R, Box<Response<()>>> {
    if !O::CATCHES_PANICS {
        return Ok(run());
    }
    catch_unwind(AssertUnwindSafe(run)).or_else(|panic| {
        let response = guard
            .observer()
            .and_then(|observer| observer.interrupt(Interrupt::Panicked(&*panic)));
        match response {
            Some(response) => Err(Box::new(response)),
            None => resume_unwind(panic),
        }
    })
}

impl<F, O, W, V, B, E> Future for ResponseFuture<F, O, W, V>
where
    F: Future<Output = Result<Response<B>, E>>,
    O: Observer,
    B: Body,
    W: ErrorHook<E, O>,
    V: ErrorHook<B::Error, O> + Clone,
{
    type Output = Result<Response<ObservedBody<B, O, V>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut guard = PollGuard::enter(this.exchange, 0);
        let inner = match this.inner.as_mut().project() {
            InnerProjection::Running(inner) => inner,
            InnerProjection::Response(response) => {
                let response = response.take().expect("polled after the response");
                return Poll::Ready(Ok(respond(guard, *response, this.body_errors)));
            }
        };
        let mut polled = match guarded(&mut guard, || inner.poll(cx)) {
            Ok(polled) => polled,
            Err(response) => {
                let response = drop_inner(this.inner, &mut guard, response);
                return Poll::Ready(Ok(respond(guard, *response, this.body_errors)));
            }
        };
        match &mut polled {
            Poll::Ready(Ok(response)) => {
                let expected = head(guard, response, *this.method);
                let exchange = this.exchange.take();
                let hook = this.body_errors.clone();
                polled
                    .map_ok(|response| response.map(|body| ObservedBody::new(body, exchange, expected, hook)))
            }
            Poll::Pending if !O::INTERRUPTS => {
                guard.leave();
                Poll::Pending
            }
            unfinished => {
                if O::INTERRUPTS {
                    let cause = match unfinished {
                        Poll::Pending => Interrupt::Pending(cx),
                        Poll::Ready(_) => Interrupt::Failed,
                    };
                    let response = guard.observer().and_then(|observer| observer.interrupt(cause));
                    if let Some(response) = response {
                        let response = drop_inner(this.inner, &mut guard, Box::new(response));
                        return Poll::Ready(Ok(respond(guard, *response, this.body_errors)));
                    }
                }
                match polled {
                    Poll::Ready(Err(error)) => {
                        if let Some(observer) = guard.observer() {
                            this.service_errors.on_error(observer, &error);
                        }
                        guard.end(End::without_data(EndReason::Failed));
                        Poll::Ready(Err(error))
                    }
                    _ => {
                        guard.leave();
                        Poll::Pending
                    }
                }
            }
        }
    }
}

/// Drops the inner future before its end. A panic of its drop is responded to as one of its polls is.
#[cold]
fn drop_inner<F, O: Observer>(
    mut inner: Pin<&mut Inner<F>>,
    guard: &mut PollGuard<'_, O>,
    response: Box<Response<()>>,
) -> Box<Response<()>> {
    let dropped = guarded(guard, || inner.set(Inner::Response(None)));
    dropped.err().unwrap_or(response)
}

/// Shows the response head to the observer and returns the expected length of the body. If the response ends at its
/// head, the exchange has ended.
// Not inlined: a layer's own poll is small then, and the inner poll can be inlined into it.
#[inline(never)]
fn head<B: Body, O: Observer>(
    mut guard: PollGuard<'_, O>,
    response: &mut Response<B>,
    method: MethodClass,
) -> ExpectedLength {
    let Some(observer) = guard.observer() else {
        return UNKNOWN;
    };
    observer.on_response(response);
    let expected = expected_length(response, method);
    if expected == AT_HEAD {
        guard.end(End::without_data(EndReason::Complete));
    } else {
        guard.leave();
    }
    expected
}

/// Makes a response without a body, which ends at its head.
#[cold]
fn respond<B: Body, O: Observer, V: ErrorHook<B::Error, O> + Clone>(
    mut guard: PollGuard<'_, O>,
    response: Response<()>,
    body_errors: &V,
) -> Response<ObservedBody<B, O, V>> {
    let mut response = response.map(|()| ObservedBody::empty(body_errors.clone()));
    if let Some(observer) = guard.observer() {
        observer.on_response(&mut response);
    }
    guard.end(End::without_data(EndReason::Complete));
    response
}

#[pinned_drop]
impl<F, O: Observer, W, V> PinnedDrop for ResponseFuture<F, O, W, V> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.exchange.is_some() {
            let guard = PollGuard::enter(this.exchange, 0);
            // Dropped here, so that the observer is entered.
            this.inner.set(Inner::Response(None));
            guard.end_at_drop(End::without_data(EndReason::Dropped));
        }
    }
}

impl<F: fmt::Debug, O: Observer, W, V> fmt::Debug for ResponseFuture<F, O, W, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = match &self.inner {
            Inner::Running(inner) => Some(inner),
            Inner::Response(_) => None,
        };
        f.debug_struct("ResponseFuture")
            .field("inner", &inner)
            .finish_non_exhaustive()
    }
}
