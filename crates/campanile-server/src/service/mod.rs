//! The user's service as hyper calls it: observes each request, and adds its connection to the extensions.

mod body;
mod data;
mod explained;
mod future;
mod head_check;
mod observer;

use std::sync::Arc;

use campanile_core::exchange::ExchangeService;
use http::{Response, Version};
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use tower::{Service, ServiceExt, service_fn};

use self::explained::ExplainedBody;
use self::future::{ResponseFuture, StreamUpload};
use self::observer::ObserveConnection;
use crate::connection::ConnectionState;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The bounds of [`Server::run`](crate::Server::run), for internal functions. `run` spells them out for the docs and
/// compiler errors.
pub(crate) trait Serve:
    Service<Request<Incoming>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Serve for S
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Body = B;
}

/// The user's service on one connection.
#[derive(Debug)]
pub(crate) struct Served<S> {
    inner: S,
    state: Arc<ConnectionState>,
}

impl<S> Served<S> {
    pub(crate) fn new(inner: S, state: Arc<ConnectionState>) -> Self {
        Self { inner, state }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Served<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<ExplainedBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let inner = service_fn(|request| self.inner.clone().oneshot(request));
        let mut service = ExchangeService::new(inner, ObserveConnection(&self.state));
        let upload = match request.version() > Version::HTTP_11 && !request.body().is_end_stream() {
            true => StreamUpload::New,
            false => StreamUpload::None,
        };
        ResponseFuture::new(service.call(request), upload)
    }
}
