//! The services, as tower knows them.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::endpoint::Endpoint;
use super::handlers;
use crate::Body;
use crate::settings::Settings;

/// All endpoints. Made by [`Admin::service`](crate::Admin::service); cloning copies a pointer.
///
/// It needs a tokio runtime with time enabled.
#[derive(Clone)]
pub struct AdminService {
    settings: Arc<Settings>,
}

/// The endpoints that everybody may see: `/_status/ping`, `/_status/check` and `/health`. Made by
/// [`Admin::probes`](crate::Admin::probes); cloning copies a pointer.
#[derive(Clone)]
pub struct Probes {
    settings: Arc<Settings>,
}

/// The future of an answer.
pub struct ResponseFuture {
    inner: Pin<Box<dyn Future<Output = Response<Body>> + Send>>,
}

impl AdminService {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }
}

impl Probes {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }
}

impl<B> Service<Request<B>> for AdminService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let endpoint = Endpoint::of(request.uri().path());
        ResponseFuture::new(handlers::answer(Arc::clone(&self.settings), endpoint, request))
    }
}

impl<B> Service<Request<B>> for Probes
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let endpoint = Endpoint::of(request.uri().path()).filter(|endpoint| endpoint.is_public());
        ResponseFuture::new(handlers::answer(Arc::clone(&self.settings), endpoint, request))
    }
}

impl ResponseFuture {
    fn new(answer: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self {
            inner: Box::pin(answer),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for AdminService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService").finish_non_exhaustive()
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
