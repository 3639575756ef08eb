//! All inbound layers in the right order, as one exchange.

use std::{fmt, task::Context};

use campanile_core::{
    box_pool::BoxPool,
    clock,
    exchange::{Begin, End, ExchangeService, Interrupt, Observe, Observer, PollGuard, begin_layer, run_both},
};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_layer::Layer;

use crate::{
    CatchPanicLayer, DeadlineLayer, InFlightLimitLayer, MetricsLayer, RequestIdLayer, ViewNameLayer,
    catch_panic::CatchPanicObserver, deadline::DeadlineObserver, limit::InFlightLimitObserver,
    metrics::MetricsObserver, request_id::RequestIdObserver, view_name::ViewNameObserver,
};

/// Makes the stack of all inbound layers, from the outside in:
///
/// 1. [`RequestIdLayer`]: everything below logs and calls under the request's id.
/// 2. [`MetricsLayer`]: counts what the layers below respond.
/// 3. [`CatchPanicLayer`]: a panic becomes a response, and is counted as `panicked`.
/// 4. [`InFlightLimitLayer`]: no limit, until [`Stack::with_in_flight_limit`].
/// 5. [`DeadlineLayer`]: applies the deadlines that requests carry.
/// 6. [`ViewNameLayer`]: off, until [`Stack::with_view_name`].
///
/// The layers are observers of one exchange: future and response body are wrapped once.
///
/// ```
/// use campanile_inbound::{InFlightLimitLayer, stack};
/// use tower::{ServiceBuilder, service_fn};
///
/// let layers = stack().with_in_flight_limit(InFlightLimitLayer::new(512));
/// let service = ServiceBuilder::new().layer(layers).service(service_fn(
///     |_request: http::Request<String>| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) },
/// ));
/// ```
#[must_use]
pub fn stack() -> Stack {
    Stack {
        request_id: RequestIdLayer::new(),
        metrics: MetricsLayer::new(),
        limit: InFlightLimitLayer::unlimited(),
        deadline: DeadlineLayer::new(),
        view_name: false,
    }
}

/// All inbound layers in order. Made by [`stack`].
#[derive(Debug, Clone)]
pub struct Stack {
    request_id: RequestIdLayer,
    metrics: MetricsLayer,
    limit: InFlightLimitLayer,
    deadline: DeadlineLayer,
    view_name: bool,
}

/// The service of [`Stack`].
pub type StackService<S> = ExchangeService<S, Stack>;

impl Stack {
    /// Sets the request id layer, such as one that ignores incoming ids.
    #[must_use]
    pub fn with_request_id(mut self, layer: RequestIdLayer) -> Self {
        self.request_id = layer;
        self
    }

    /// Sets the metrics layer, such as one that skips routes.
    #[must_use]
    pub fn with_metrics(mut self, layer: MetricsLayer) -> Self {
        self.metrics = layer;
        self
    }

    /// Sets the in-flight limit. Default: none.
    #[must_use]
    pub fn with_in_flight_limit(mut self, layer: InFlightLimitLayer) -> Self {
        self.limit = layer;
        self
    }

    /// Sets the deadline layer, such as one with a timeout.
    #[must_use]
    pub fn with_deadline(mut self, layer: DeadlineLayer) -> Self {
        self.deadline = layer;
        self
    }

    /// Sets whether responses carry the route in `X-View-Name`. Default: false.
    #[must_use]
    pub fn with_view_name(mut self, on: bool) -> Self {
        self.view_name = on;
        self
    }
}

impl<S> Layer<S> for Stack {
    type Service = StackService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        ExchangeService::new(inner, self.clone())
    }
}

/// Observes one exchange for all inbound layers. See [`stack`].
#[derive(Default)]
pub struct StackObserver {
    request_id: Option<RequestIdObserver>,
    metrics: Option<MetricsObserver>,
    catch_panic: Option<CatchPanicObserver>,
    limit: Option<InFlightLimitObserver>,
    deadline: Option<DeadlineObserver>,
    view_name: Option<ViewNameObserver>,
}

thread_local! {
    static POOL: BoxPool<StackObserver> = const { BoxPool::new() };
}

impl<B: Body + 'static> Observe<B> for Stack {
    type Observer = StackObserver;

    fn begin(&self, request: &mut Request<B>) -> Begin<StackObserver> {
        let left = |stack: Box<StackObserver>| {
            let mut exchange = Some(stack);
            PollGuard::of_entered(&mut exchange).leave();
            *exchange.expect("only a panic ends the exchange")
        };
        match self.begin_entered(request) {
            Begin::Observe(stack) => Begin::Observe(left(stack)),
            Begin::Skip => Begin::Skip,
            Begin::Respond(response, stack) => Begin::Respond(response, stack.map(left)),
        }
    }

    /// Begins each layer in the box: as values they would be moved several times.
    #[inline]
    fn begin_entered(&self, request: &mut Request<B>) -> Begin<Box<StackObserver>> {
        let mut exchange = Some(BoxPool::take(&POOL).unwrap_or_default());
        // Ends what has begun if a layer panics.
        let mut guard = PollGuard::of_entered(&mut exchange);
        let response = guard
            .observer()
            .and_then(|stack| self.begin_layers(stack, request));
        guard.forget();
        // Never skipped as a whole: catching panics skips no request.
        Begin::of_stack(response, exchange, |_| false)
    }
}

impl Stack {
    /// Begins and enters the layers from the outside in. Returns the response of the first one that responds itself.
    #[inline]
    fn begin_layers<B: Body + 'static>(
        &self,
        stack: &mut StackObserver,
        request: &mut Request<B>,
    ) -> Option<Box<Response<()>>> {
        begin_layer(&self.request_id, request, &mut stack.request_id)
            .or_else(|| begin_layer(&self.metrics, request, &mut stack.metrics))
            .or_else(|| begin_layer(&CatchPanicLayer::new(), request, &mut stack.catch_panic))
            .or_else(|| begin_layer(&self.limit, request, &mut stack.limit))
            .or_else(|| begin_layer(&self.deadline, request, &mut stack.deadline))
            .or_else(|| match self.view_name {
                true => begin_layer(&ViewNameLayer::new(), request, &mut stack.view_name),
                false => None,
            })
    }
}

impl Observer for StackObserver {
    const INTERRUPTS: bool = true;
    const CATCHES_PANICS: bool = true;
    const INTERRUPTS_BODIES: bool = true;

    #[inline]
    fn enter(&mut self) {
        self.request_id.enter();
        self.metrics.enter();
        self.limit.enter();
        self.deadline.enter();
    }

    #[inline]
    fn leave(&mut self) {
        self.deadline.leave();
        self.limit.leave();
        // The metrics may call a recorder that panics.
        run_both(|| self.metrics.leave(), || self.request_id.leave());
    }

    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        self.view_name.on_response(response);
        self.deadline.on_response(response);
        self.metrics.on_response(response);
        self.request_id.on_response(response);
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        run_both(|| self.limit.on_end(end), || self.metrics.on_end(end));
        self.request_id.on_end(end);
    }

    #[inline]
    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        match cause {
            Interrupt::Panicked(_) => self.catch_panic.interrupt(cause),
            _ => self.deadline.interrupt(cause),
        }
    }

    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        self.deadline.interrupt_body(cx)
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(mut self: Box<Self>) {
        *self = Self::default();
        BoxPool::recycle(&POOL, self);
    }
}

impl fmt::Debug for StackObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackObserver").finish_non_exhaustive()
    }
}
