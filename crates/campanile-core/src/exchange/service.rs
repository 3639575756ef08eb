//! The layer and its service.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Begin, ErrorHook, MethodClass, Observe, ObservedBody, Observer, ResponseFuture, future::catching,
    poll_guard::PollGuard,
};

/// Observes the exchanges of a service. See the [module docs](super).
#[derive(Debug, Clone, Copy)]
pub struct ExchangeLayer<P> {
    observe: P,
}

impl<P> ExchangeLayer<P> {
    /// Makes a layer that observes exchanges with `observe`.
    pub const fn new(observe: P) -> Self {
        Self { observe }
    }
}

impl<S, P: Clone> Layer<S> for ExchangeLayer<P> {
    type Service = ExchangeService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        ExchangeService::new(inner, self.observe.clone())
    }
}

/// The service of [`ExchangeLayer`], and of campanile's own layers. See the [module docs](super).
///
/// `W` and `V` are the [`ErrorHook`]s of the inner service and of its body.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeService<S, P, W = (), V = ()> {
    inner: S,
    observe: P,
    service_errors: W,
    body_errors: V,
}

impl<S, P> ExchangeService<S, P> {
    /// Observes the exchanges of `inner` with `observe`.
    #[inline]
    pub const fn new(inner: S, observe: P) -> Self {
        Self {
            inner,
            observe,
            service_errors: (),
            body_errors: (),
        }
    }
}

impl<S, P, W, V> ExchangeService<S, P, W, V> {
    /// Observes the exchanges of `inner` with `observe`, and passes errors on through hooks.
    #[inline]
    pub const fn with_error_hooks(inner: S, observe: P, service_errors: W, body_errors: V) -> Self {
        Self {
            inner,
            observe,
            service_errors,
            body_errors,
        }
    }

    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, W, V, ReqB, ResB> Service<Request<ReqB>> for ExchangeService<S, P, W, V>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    P: Observe<ReqB>,
    ResB: Body,
    W: ErrorHook<S::Error, P::Observer> + Clone,
    V: ErrorHook<ResB::Error, P::Observer> + Clone,
{
    type Response = Response<ObservedBody<ResB, P::Observer, V>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, P::Observer, W, V>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match self.observe.begin_fast(&request) {
            Some(observer) => self.call_observed::<_, false>(request, observer),
            None => self.call_slow(request),
        }
    }
}

impl<S, P, W: Clone, V: Clone> ExchangeService<S, P, W, V> {
    #[inline]
    fn call_slow<B>(&mut self, mut request: Request<B>) -> ResponseFuture<S::Future, P::Observer, W, V>
    where
        S: Service<Request<B>>,
        P: Observe<B>,
    {
        match self.observe.begin_entered(&mut request) {
            Begin::Observe(observer) => self.call_observed::<_, true>(request, observer),
            Begin::Skip => {
                let method = MethodClass::of(request.method());
                let inner = Some(self.inner.call(request));
                ResponseFuture::new(inner, None, None, method, self.error_hooks())
            }
            Begin::Respond(response, mut exchange) => {
                let method = MethodClass::of(request.method());
                PollGuard::of_entered(&mut exchange).leave();
                ResponseFuture::new(None, Some(response), exchange, method, self.error_hooks())
            }
        }
    }

    /// Calls the inner service for a request that is observed.
    // Always inlined: the request is handed on from where it is.
    #[inline(always)]
    fn call_observed<B, const ENTERED: bool>(
        &mut self,
        request: Request<B>,
        observer: Box<P::Observer>,
    ) -> ResponseFuture<S::Future, P::Observer, W, V>
    where
        S: Service<Request<B>>,
        P: Observe<B>,
    {
        let method = MethodClass::of(request.method());
        let mut exchange = Some(observer);
        let mut guard = if ENTERED {
            PollGuard::of_entered(&mut exchange)
        } else {
            PollGuard::enter(&mut exchange, 0)
        };
        if !<P::Observer as Observer>::CATCHES_PANICS {
            let inner = self.inner.call(request);
            guard.leave();
            return ResponseFuture::new(Some(inner), None, exchange, method, self.error_hooks());
        }
        let (mut request, mut inner) = (Some(request), None);
        let response = catching(&mut guard, || {
            if let Some(request) = request.take() {
                inner = Some(self.inner.call(request));
            }
        });
        guard.leave();
        ResponseFuture::new(inner, response, exchange, method, self.error_hooks())
    }

    #[inline]
    fn error_hooks(&self) -> (W, V) {
        (self.service_errors.clone(), self.body_errors.clone())
    }
}
