//! The endpoints as a tower service.

mod access;
mod endpoint;
mod handlers;
mod metrics;
mod request_head;
mod requests;
mod response;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

pub(crate) use self::access::AccessRules;
use self::endpoint::Endpoint;
pub(crate) use self::metrics::Scrapes;
use crate::Body;
use crate::config::AdminConfig;

/// The endpoints of an [`Admin`](crate::Admin), all or the probes only. Cloning is cheap.
///
/// Requires a tokio runtime with time enabled.
#[derive(Clone)]
pub struct AdminService {
    config: Arc<AdminConfig>,
    probes_only: bool,
}

impl AdminService {
    pub(crate) fn new(config: AdminConfig) -> Self {
        Self {
            config: Arc::new(config),
            probes_only: false,
        }
    }

    pub(crate) fn with_probes_only(config: AdminConfig) -> Self {
        Self {
            config: Arc::new(config),
            probes_only: true,
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
        let endpoint = Endpoint::from_path(request.uri().path())
            .filter(|endpoint| !self.probes_only || endpoint.is_mountable());
        let response = handlers::respond(Arc::clone(&self.config), endpoint, request);
        ResponseFuture {
            inner: Box::pin(response),
        }
    }
}

impl fmt::Debug for AdminService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService")
            .field("probes_only", &self.probes_only)
            .finish_non_exhaustive()
    }
}

/// The response future of [`AdminService`].
pub struct ResponseFuture {
    inner: Pin<Box<dyn Future<Output = Response<Body>> + Send>>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
