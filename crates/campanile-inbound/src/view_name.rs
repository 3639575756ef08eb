//! Tells the caller how this service calls the endpoint that answered.
//!
//! Answers carry the route in `X-View-Name`, where the caller's metrics find it, unless the application has set that
//! header itself. Place it where the route can be seen: by `Router::layer` under axum. Answers without a route get
//! none, and a gRPC method is named only if it is served.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile_core::{
    grpc::{self, Code},
    headers::X_VIEW_NAME,
};
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::route::{self, Route};

/// Answers with the route in `X-View-Name`. See the [module docs](crate::view_name).
#[derive(Debug, Clone, Copy)]
pub struct ViewNameLayer {
    on: bool,
}

/// Answers with the route in `X-View-Name`. See the [module docs](crate::view_name).
#[derive(Debug, Clone, Copy)]
pub struct ViewName<S> {
    inner: S,
    on: bool,
}

impl ViewNameLayer {
    /// Makes the layer.
    #[must_use]
    pub fn new() -> Self {
        Self { on: true }
    }

    /// Makes a layer that leaves answers as they are.
    pub(crate) fn off() -> Self {
        Self { on: false }
    }
}

impl Default for ViewNameLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ViewNameLayer {
    type Service = ViewName<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ViewName { inner, on: self.on }
    }
}

/// The longest name that callers take.
const MAX_LEN: usize = 64;

/// Finds the name that the request alone tells: its route, or the path of a gRPC call.
fn name<B>(request: &Request<B>) -> Option<HeaderValue> {
    let name = match route::template(request.extensions()) {
        Some(route) => route,
        None if grpc::is_grpc(request.headers()) => request.uri().path(),
        None => return None,
    };
    value(name)
}

fn value(name: &str) -> Option<HeaderValue> {
    (name.len() <= MAX_LEN)
        .then(|| HeaderValue::from_str(name).ok())
        .flatten()
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ViewName<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let name = if self.on { name(&request) } else { None };
        ResponseFuture {
            inner: self.inner.call(request),
            name,
            on: self.on,
        }
    }
}

pin_project! {
    /// The future of [`ViewName`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        name: Option<HeaderValue>,
        on: bool,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if *this.on
            && !response.headers().contains_key(X_VIEW_NAME)
            && Code::from_headers(response.headers()) != Some(Code::Unimplemented)
        {
            let told = response
                .extensions()
                .get::<Route>()
                .and_then(|route| value(route.as_str()));
            if let Some(name) = told.or_else(|| this.name.take()) {
                response.headers_mut().insert(X_VIEW_NAME, name);
            }
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
