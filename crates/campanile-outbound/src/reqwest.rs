//! A [`reqwest::Client`] as a `tower::Service` of `http` requests, to be wrapped in layers.
//!
//! ```
//! use campanile_outbound::{CallName, ReqwestService, stack};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # async fn get() -> Result<(), Box<dyn std::error::Error>> {
//! let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
//! let client = ServiceBuilder::new().layer(stack()).service(ReqwestService::new(client));
//! let request = http::Request::get("http://stock/items/7").extension(CallName::new("stock", "get-item")).body("")?;
//! let response = client.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Extensions of requests and responses are preserved. Redirects that reqwest follows are part of one call; with its
//! redirect policy `none`, each request that the caller makes is a call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::reqwest::{Body, Client, Error};
use http::{Request, Response};
use tower_service::Service;

/// A reqwest client as a service of `http` requests. See the [module docs](self).
#[derive(Debug, Clone)]
pub struct ReqwestService {
    client: Client,
}

impl ReqwestService {
    /// Wraps a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Returns a reference to the client.
    #[must_use]
    pub const fn get_ref(&self) -> &Client {
        &self.client
    }

    /// Returns the client.
    #[must_use]
    pub fn into_inner(self) -> Client {
        self.client
    }
}

impl<B: Into<Body>> Service<Request<B>> for ReqwestService {
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture;

    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        ResponseFuture(match ::reqwest::Request::try_from(request) {
            Ok(request) => State::Running(self.client.call(request)),
            Err(error) => State::Invalid(Some(error)),
        })
    }
}

/// The future of [`ReqwestService`].
#[derive(Debug)]
pub struct ResponseFuture(State);

#[derive(Debug)]
enum State {
    Running(<Client as Service<::reqwest::Request>>::Future),
    /// reqwest does not accept the URL.
    Invalid(Option<Error>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Running(future) => Poll::Ready(ready!(Pin::new(future).poll(cx)).map(Into::into)),
            State::Invalid(error) => Poll::Ready(Err(error.take().expect("polled after completion"))),
        }
    }
}
