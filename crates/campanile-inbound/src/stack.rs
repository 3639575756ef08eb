//! All inbound layers in the right order.

use tower_layer::Layer;

use crate::{
    CatchPanicLayer, DeadlineLayer, InFlightLimitLayer, MetricsLayer, RequestIdLayer, ViewNameLayer,
    catch_panic::CatchPanic, deadline::Deadlines, limit::InFlightLimitService, metrics::Metrics,
    request_id::RequestIds, view_name::ViewName,
};

/// Makes the stack of all inbound layers, from the outside in:
///
/// 1. [`RequestIdLayer`]: everything below logs and calls under the request's id.
/// 2. [`MetricsLayer`]: counts whatever the layers below answer.
/// 3. [`CatchPanicLayer`]: a panic is an answer, and counted as `panicked`.
/// 4. [`InFlightLimitLayer`]: lets everything through, until it is given a limit.
/// 5. [`DeadlineLayer`]: keeps the deadlines that requests come with.
/// 6. [`ViewNameLayer`]: off, until [`Stack::with_view_name`].
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
        view_name: ViewNameLayer::off(),
    }
}

/// All inbound layers in order. Made by [`stack`].
#[derive(Debug, Clone)]
pub struct Stack {
    request_id: RequestIdLayer,
    metrics: MetricsLayer,
    limit: InFlightLimitLayer,
    deadline: DeadlineLayer,
    view_name: ViewNameLayer,
}

impl Stack {
    /// Takes another request id layer, such as one that ignores incoming ids.
    #[must_use]
    pub fn with_request_id(mut self, layer: RequestIdLayer) -> Self {
        self.request_id = layer;
        self
    }

    /// Takes another metrics layer, such as one that skips routes.
    #[must_use]
    pub fn with_metrics(mut self, layer: MetricsLayer) -> Self {
        self.metrics = layer;
        self
    }

    /// Takes a concurrency limit.
    #[must_use]
    pub fn with_in_flight_limit(mut self, layer: InFlightLimitLayer) -> Self {
        self.limit = layer;
        self
    }

    /// Takes another deadline layer, such as one with a timeout.
    #[must_use]
    pub fn with_deadline(mut self, layer: DeadlineLayer) -> Self {
        self.deadline = layer;
        self
    }

    /// Answers with the route in `X-View-Name`.
    #[must_use]
    pub fn with_view_name(mut self) -> Self {
        self.view_name = ViewNameLayer::new();
        self
    }
}

/// The service that [`Stack`] makes of a service.
pub type Stacked<S> = RequestIds<Metrics<CatchPanic<InFlightLimitService<Deadlines<ViewName<S>>>>>>;

impl<S> Layer<S> for Stack {
    type Service = Stacked<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let inner = self.deadline.layer(self.view_name.layer(inner));
        let inner = CatchPanicLayer::new().layer(self.limit.layer(inner));
        self.request_id.layer(self.metrics.layer(inner))
    }
}
