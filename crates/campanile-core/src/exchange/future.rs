//! The future that carries an exchange to the response head.

use std::{
    any::Any,
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
    /// `None` if the observer responds in place of the inner service.
    #[pin]
    inner: Option<F>,
    /// The response in place of the inner service's.
    early: Option<Box<Response<()>>>,
    /// `None` for a request that is not observed, and once the body carries the exchange on.
    exchange: Option<Box<O>>,
    method: MethodClass,
    service_errors: W,
    body_errors: V,
}

impl<F, O: Observer, W, V> ResponseFuture<F, O, W, V> {
    /// Makes the future of the inner service's response, or of an early one.
    #[inline]
    pub(super) fn new(
        inner: Option<F>,
        early: Option<Box<Response<()>>>,
        exchange: Option<Box<O>>,
        method: MethodClass,
        (service_errors, body_errors): (W, V),
    ) -> Self {
        Self {
            inner,
            early,
            exchange,
            method,
            service_errors,
            body_errors,
        }
    }
}

/// Runs the inner service. If it panics and the observer responds to the panic, returns that response.
///
/// The closure keeps request and result in the caller's variables: `catch_unwind` copies several times what it is given
/// and returns.
#[inline]
pub(super) fn catching<O: Observer>(
    guard: &mut PollGuard<'_, O>,
    run: impl FnOnce(),
) -> Option<Box<Response<()>>> {
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    Some(respond_to_panic(guard, panic))
}

#[cold]
fn respond_to_panic<O: Observer>(
    guard: &mut PollGuard<'_, O>,
    panic: Box<dyn Any + Send>,
) -> Box<Response<()>> {
    let response = guard
        .observer()
        .and_then(|observer| observer.interrupt(Interrupt::Panicked(&*panic)));
    match response {
        Some(response) => Box::new(response),
        None => resume_unwind(panic),
    }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            let response = this.early.take().expect("polled after the response");
            return Poll::Ready(Ok(respond(guard, *response, this.body_errors)));
        };
        let mut polled = Poll::Pending;
        if !O::CATCHES_PANICS {
            polled = inner.poll(cx);
        } else if let Some(response) = catching(&mut guard, || polled = inner.poll(cx)) {
            let response = drop_inner(this.inner, &mut guard, response);
            return Poll::Ready(Ok(respond(guard, *response, this.body_errors)));
        }
        match &mut polled {
            Poll::Ready(Ok(response)) => {
                let expected = head(guard, response, *this.method);
                let exchange = this.exchange.take();
                let hook = this.body_errors.clone();
                return polled.map_ok(|response| {
                    response.map(|body| ObservedBody::new(body, exchange, expected, hook))
                });
            }
            Poll::Pending if !O::INTERRUPTS => {
                guard.leave();
                return Poll::Pending;
            }
            _ => {}
        }
        if let Some(response) = interrupt(&mut guard, &polled, cx) {
            let response = drop_inner(this.inner, &mut guard, Box::new(response));
            return Poll::Ready(Ok(respond(guard, *response, this.body_errors)));
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

/// Lets the observer respond in place of an inner future that is pending or has failed.
#[cold]
fn interrupt<O: Observer, T>(
    guard: &mut PollGuard<'_, O>,
    polled: &Poll<T>,
    cx: &mut Context<'_>,
) -> Option<Response<()>> {
    if !O::INTERRUPTS {
        return None;
    }
    let cause = match polled {
        Poll::Pending => Interrupt::Pending(cx),
        Poll::Ready(_) => Interrupt::Failed,
    };
    guard.observer()?.interrupt(cause)
}

/// Drops the inner future before its end. A panic of its drop is responded to as one of its polls is.
#[cold]
fn drop_inner<F, O: Observer>(
    mut inner: Pin<&mut Option<F>>,
    guard: &mut PollGuard<'_, O>,
    response: Box<Response<()>>,
) -> Box<Response<()>> {
    if !O::CATCHES_PANICS {
        inner.set(None);
        return response;
    }
    catching(guard, || inner.set(None)).unwrap_or(response)
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
            this.inner.set(None);
            guard.end_at_drop(End::without_data(EndReason::Dropped));
        }
    }
}

impl<F: fmt::Debug, O: Observer, W, V> fmt::Debug for ResponseFuture<F, O, W, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
