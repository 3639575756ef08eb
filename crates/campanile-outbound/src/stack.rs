//! Both outbound layers in the right order, as one exchange.

use std::{fmt, task::Context};

use campanile_core::{
    box_pool::BoxPool,
    clock,
    exchange::{Begin, End, ExchangeService, Interrupt, Observe, Observer, Pair, PollGuard, begin_layer},
};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_layer::Layer;

use crate::{
    MetricsLayer, PropagateLayer,
    metrics::{BodyErrors, CallObserver, ErrorItself, ServiceErrors},
    propagate::PropagateObserver,
};

/// Makes the stack of both outbound layers, from the outside in:
///
/// 1. [`MetricsLayer`]: counts and times the call.
/// 2. [`PropagateLayer`]: sends id, deadline and trace along, and ends the call at its deadline.
///
/// The layers are observers of one exchange: future and response body are wrapped once.
#[must_use]
pub fn stack() -> Stack {
    Stack {
        metrics: MetricsLayer::new(),
        propagate: PropagateLayer::new(),
    }
}

/// Both outbound layers in order. Made by [`stack`].
#[derive(Debug, Clone)]
pub struct Stack<W = ErrorItself, V = ErrorItself> {
    metrics: MetricsLayer<W, V>,
    propagate: PropagateLayer,
}

/// The service of [`Stack`].
pub type StackService<S, W = ErrorItself, V = ErrorItself> =
    ExchangeService<S, Stack<W, V>, ServiceErrors<W>, BodyErrors<V>>;

impl<W, V> Stack<W, V> {
    /// Sets the metrics layer, such as one that names hosts.
    #[must_use]
    pub fn with_metrics<X, Y>(self, layer: MetricsLayer<X, Y>) -> Stack<X, Y> {
        Stack {
            metrics: layer,
            propagate: self.propagate,
        }
    }

    /// Sets the propagation layer, such as one that excludes hosts.
    #[must_use]
    pub fn with_propagate(mut self, layer: PropagateLayer) -> Self {
        self.propagate = layer;
        self
    }
}

impl<S, W: Clone, V: Clone> Layer<S> for Stack<W, V> {
    type Service = StackService<S, W, V>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        let (service_errors, body_errors) = self.metrics.error_hooks();
        ExchangeService::with_error_hooks(inner, self.clone(), service_errors, body_errors)
    }
}

/// Observes one call for both outbound layers. See [`stack`].
#[derive(Default)]
pub struct StackObserver(Pair<Option<CallObserver>, Option<PropagateObserver>>);

thread_local! {
    static POOL: BoxPool<StackObserver> = const { BoxPool::new() };
}

impl StackObserver {
    /// Returns the metrics of the call, unless an enclosing layer records them.
    pub(crate) fn call(&mut self) -> Option<&mut CallObserver> {
        self.0.outer.as_mut()
    }
}

impl<B, W: Clone, V: Clone> Observe<B> for Stack<W, V> {
    type Observer = StackObserver;

    fn begin(&self, request: &mut Request<B>) -> Begin<StackObserver> {
        match Pair::new(&self.metrics, &self.propagate).begin(request) {
            Begin::Observe(pair) => Begin::Observe(StackObserver(pair)),
            Begin::Skip => Begin::Skip,
            Begin::Respond(response, pair) => Begin::Respond(response, pair.map(StackObserver)),
        }
    }

    /// Begins each layer in the box: as values they would be moved several times.
    #[inline]
    fn begin_entered(&self, request: &mut Request<B>) -> Begin<Box<StackObserver>> {
        let mut exchange = Some(BoxPool::take(&POOL).unwrap_or_default());
        // Ends what has begun if a layer panics.
        let mut guard = PollGuard::of_entered(&mut exchange);
        let response = guard.observer().and_then(|stack| {
            begin_layer(&self.metrics, request, &mut stack.0.outer)
                .or_else(|| begin_layer(&self.propagate, request, &mut stack.0.inner))
        });
        guard.forget();
        Begin::of_stack(response, exchange, |stack| {
            stack.0.outer.is_none() && stack.0.inner.is_none()
        })
    }
}

impl Observer for StackObserver {
    const INTERRUPTS: bool = true;
    const INTERRUPTS_BODIES: bool = true;

    #[inline]
    fn enter(&mut self) {
        self.0.enter();
    }

    #[inline]
    fn leave(&mut self) {
        self.0.leave();
    }

    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        self.0.on_response(response);
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        self.0.on_end(end);
    }

    #[inline]
    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        self.0.interrupt(cause)
    }

    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        self.0.interrupt_body(cx)
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(mut self: Box<Self>) {
        self.0.outer = None;
        self.0.inner = None;
        BoxPool::recycle(&POOL, self);
    }
}

impl fmt::Debug for StackObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackObserver").finish_non_exhaustive()
    }
}
