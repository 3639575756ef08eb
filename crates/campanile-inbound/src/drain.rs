//! Sets `Connection: close` on HTTP/1 responses while the service drains.
//!
//! A client with a kept-alive connection then makes its next request over a new connection, which the load balancer
//! routes to another server; hyper closes the connection after such a response. Upgrade responses keep their
//! `Connection` header, and HTTP/2 responses are unchanged: HTTP/2 has GOAWAY instead, which only the server can send.
//!
//! `campanile-server` does this without the layer; the layer is for other servers.
//!
//! ```
//! use campanile_inbound::DrainLayer;
//! # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! # let draining = Arc::new(AtomicBool::new(false));
//!
//! let layer = DrainLayer::new(move || draining.load(Ordering::Relaxed));
//! # use tower::Layer;
//! # let _ = layer.layer(());
//! ```
//!
//! With campanile-lifecycle the closure is `move || handle.is_draining()`.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header::CONNECTION};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Sets `Connection: close` on HTTP/1 responses while the service drains. See the [module docs](crate::drain).
#[derive(Clone, Copy)]
pub struct DrainLayer<D> {
    draining: D,
}

/// Sets `Connection: close` on HTTP/1 responses while the service drains. See the [module docs](crate::drain).
#[derive(Clone, Copy)]
pub struct DrainService<S, D> {
    inner: S,
    draining: D,
}

impl<D: Fn() -> bool + Clone> DrainLayer<D> {
    /// Makes the layer. `draining` is called for each HTTP/1 response and should cost no more than an atomic load.
    #[must_use]
    pub const fn new(draining: D) -> Self {
        Self { draining }
    }
}

impl<S, D: Clone> Layer<S> for DrainLayer<D> {
    type Service = DrainService<S, D>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainService {
            inner,
            draining: self.draining.clone(),
        }
    }
}

impl<S, D, ReqB, ResB> Service<Request<ReqB>> for DrainService<S, D>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    D: Fn() -> bool + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, D>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // A 2xx to CONNECT turns the connection into a tunnel, like a 101.
        let may_close = request.version() <= Version::HTTP_11 && request.method() != Method::CONNECT;
        ResponseFuture {
            draining: may_close.then(|| self.draining.clone()),
            inner: self.inner.call(request),
        }
    }
}

impl<S, D> DrainService<S, D> {
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

pin_project! {
    /// The future of [`DrainService`].
    pub struct ResponseFuture<F, D> {
        #[pin]
        inner: F,
        draining: Option<D>,
    }
}

impl<F, D, B, E> Future for ResponseFuture<F, D>
where
    F: Future<Output = Result<Response<B>, E>>,
    D: Fn() -> bool,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(draining) = this.draining
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
            && draining()
        {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

impl<D> fmt::Debug for DrainLayer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, D> fmt::Debug for DrainService<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<F, D> fmt::Debug for ResponseFuture<F, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
