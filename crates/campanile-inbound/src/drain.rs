//! Asks clients to go elsewhere while the service drains.
//!
//! While a closure says so, HTTP/1 answers carry `Connection: close`: a client that keeps its connection makes its next
//! request over a new one, which the load balancer sends to another server. hyper closes the connection after such an
//! answer. Answers that change the protocol keep what they say of the connection, and those of HTTP/2 go as they are:
//! there GOAWAY says the same, and only the server can send it.
//!
//! `campanile-server` does this by itself; the layer is for servers of others.
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

/// Puts `Connection: close` on HTTP/1 answers while the service drains. See the [module docs](crate::drain).
#[derive(Clone, Copy)]
pub struct DrainLayer<D> {
    draining: D,
}

/// Puts `Connection: close` on HTTP/1 answers while the service drains. See the [module docs](crate::drain).
#[derive(Clone, Copy)]
pub struct DrainService<S, D> {
    inner: S,
    draining: D,
}

impl<D: Fn() -> bool + Clone> DrainLayer<D> {
    /// Makes the layer. The closure is asked for each HTTP/1 answer and should cost no more than an atomic load.
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
        // A tunnel's 2xx says as little of closing as a 101 does.
        let concerned = request.version() <= Version::HTTP_11 && request.method() != Method::CONNECT;
        ResponseFuture {
            draining: concerned.then(|| self.draining.clone()),
            inner: self.inner.call(request),
        }
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
