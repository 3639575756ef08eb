//! Names the endpoint in `X-View-Name`, for the metrics of callers.
//!
//! Responses carry the route in `X-View-Name`, unless the application has set that header itself. Place the layer where
//! the route is visible: by `Router::layer` under axum. Responses without a route get no name, and a gRPC method is named
//! only if it is served.

use campanile_core::{
    Outcome,
    exchange::{self, Begin, ExchangeService, Observe, ObservedBody, Observer},
    grpc::{self, Code},
    headers::X_VIEW_NAME,
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;

use crate::route::{self, Route};

/// Puts the route into `X-View-Name` of responses. See the [module docs](crate::view_name).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ViewNameLayer {}

/// The service of [`ViewNameLayer`].
pub type ViewNameService<S> = ExchangeService<S, ViewNameLayer>;

/// The future of [`ViewNameService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, ViewNameObserver>;

/// The response body of [`ViewNameService`].
pub type ResponseBody<B> = ObservedBody<B, ViewNameObserver>;

impl ViewNameLayer {
    /// Makes the layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for ViewNameLayer {
    type Service = ViewNameService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ExchangeService::new(inner, *self)
    }
}

impl<B> Observe<B> for ViewNameLayer {
    type Observer = ViewNameObserver;

    fn begin(&self, request: &mut Request<B>) -> Begin<ViewNameObserver> {
        let (name, is_rpc_path) = name(request);
        Begin::Observe(ViewNameObserver { name, is_rpc_path })
    }
}

/// Names the endpoint of one request. See the [module docs](crate::view_name).
#[derive(Debug)]
pub struct ViewNameObserver {
    /// The name that the request alone gives.
    name: Option<HeaderValue>,
    /// Whether that is the path of a gRPC call, which the caller chooses freely.
    is_rpc_path: bool,
}

impl Observer for ViewNameObserver {
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        if response.headers().contains_key(X_VIEW_NAME)
            || Code::from_headers(response.headers()) == Some(Code::Unimplemented)
        {
            return;
        }
        let route = response.extensions().get::<Route>();
        let name = route.and_then(|route| header_value(route.as_str()));
        let own = self
            .name
            .take()
            .filter(|_| !self.is_rpc_path || is_served(response));
        if let Some(name) = name.or(own) {
            response.headers_mut().insert(X_VIEW_NAME, name);
        }
    }
}

/// Returns whether a gRPC call reached its method: a router without it, or a layer, responds otherwise.
fn is_served<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::OK
        && grpc::is_grpc(response.headers())
        && response.extensions().get::<Outcome>().is_none()
}

/// Finds the name that the request alone gives, its route or the path of a gRPC call, and whether it is the latter.
fn name<B>(request: &Request<B>) -> (Option<HeaderValue>, bool) {
    match route::template(request.extensions()) {
        Some(route) => (header_value(route), false),
        None if grpc::is_grpc(request.headers()) => (header_value(request.uri().path()), true),
        None => (None, false),
    }
}

fn header_value(name: &str) -> Option<HeaderValue> {
    /// The longest name that callers take.
    const MAX_LEN: usize = 64;
    (name.len() <= MAX_LEN)
        .then(|| HeaderValue::from_str(name).ok())
        .flatten()
}
