//! A [`reqwest::Client`] as a service of http requests, so that tower layers go around it.
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
//! Extensions go both ways. Redirects that reqwest follows by itself are one call to the layers; with its policy
//! `none`, each hop that the caller makes is a call of its own.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::reqwest::{Body, Client, Error};
use http::{Request, Response};
use tower_service::Service;

/// A reqwest client as a service of http requests. See the [module docs](self).
#[derive(Debug, Clone)]
pub struct ReqwestService {
    client: Client,
}

impl ReqwestService {
    /// Makes the service of a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
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
            Ok(request) => State::Sent(self.client.call(request)),
            Err(error) => State::Unsent(Some(error)),
        })
    }
}

/// The future of [`ReqwestService`].
#[derive(Debug)]
pub struct ResponseFuture(State);

#[derive(Debug)]
enum State {
    Sent(<Client as Service<::reqwest::Request>>::Future),
    /// The URL is none that reqwest takes.
    Unsent(Option<Error>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Sent(pending) => Poll::Ready(ready!(Pin::new(pending).poll(cx)).map(Into::into)),
            State::Unsent(error) => Poll::Ready(Err(error.take().expect("polled once to its end"))),
        }
    }
}
