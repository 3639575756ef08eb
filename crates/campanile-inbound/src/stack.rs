//! All inbound layers in the right order, as one exchange.

use std::fmt;

use campanile_core::{
    box_pool::BoxPool,
    clock,
    exchange::{Begin, End, ExchangeService, Interrupt, Observe, Observer, Pair},
};
use http::{Request, Response};
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

type Nested<A, B> = Pair<Option<A>, Option<B>>;
type Observers = Nested<
    RequestIdObserver,
    Nested<
        MetricsObserver,
        Nested<CatchPanicObserver, Nested<InFlightLimitObserver, Nested<DeadlineObserver, ViewNameObserver>>>,
    >,
>;

/// Observes one exchange for all inbound layers. See [`stack`].
pub struct StackObserver(Observers);

thread_local! {
    static POOL: BoxPool<StackObserver> = const { BoxPool::new() };
}

/// A [`ViewNameLayer`] that may be off.
#[derive(Clone, Copy)]
struct MaybeViewName(bool);

impl<B> Observe<B> for MaybeViewName {
    type Observer = ViewNameObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<ViewNameObserver> {
        if self.0 {
            ViewNameLayer::new().begin(request)
        } else {
            Begin::Skip
        }
    }
}

impl<B: Body> Observe<B> for Stack {
    type Observer = StackObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<StackObserver> {
        let layers = Pair::new(
            &self.request_id,
            Pair::new(
                &self.metrics,
                Pair::new(
                    CatchPanicLayer::new(),
                    Pair::new(
                        &self.limit,
                        Pair::new(&self.deadline, MaybeViewName(self.view_name)),
                    ),
                ),
            ),
        );
        match layers.begin(request) {
            Begin::Observe(observers) => Begin::Observe(StackObserver(observers)),
            Begin::Skip => Begin::Skip,
            Begin::Respond(response, observers) => Begin::Respond(response, observers.map(StackObserver)),
        }
    }
}

impl Observer for StackObserver {
    const INTERRUPTS: bool = Observers::INTERRUPTS;
    const CATCHES_PANICS: bool = Observers::CATCHES_PANICS;

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
