//! The wrapped service, and trivial layers.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile_core::body::{BodyEnd, MethodClass, OnBodyEnd, TrackedBody, track};
use futures_util::TryFutureExt;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service};

/// Responds immediately.
#[derive(Clone)]
pub(super) struct Trivial;

impl<B> Service<Request<B>> for Trivial {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(request);
        ready(Ok(response()))
    }
}

fn response() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello world")));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A layer that does nothing.
#[derive(Clone)]
pub(super) struct NoOpLayer;

#[derive(Clone)]
pub(super) struct NoOp<S>(S);

impl<S> Layer<S> for NoOpLayer {
    type Service = NoOp<S>;

    fn layer(&self, inner: S) -> NoOp<S> {
        NoOp(inner)
    }
}

impl<S: Service<R>, R> Service<R> for NoOp<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// A layer that only tracks the response body.
#[derive(Clone)]
pub(super) struct TrackBodies<S>(pub(super) S);

/// Ignores the end of a body.
pub(super) struct IgnoreEnd;

impl OnBodyEnd for IgnoreEnd {
    fn on_body_end(self, end: BodyEnd<'_>) {
        std::hint::black_box(end.bytes);
    }
}

impl<S, R, B> Service<R> for TrackBodies<S>
where
    S: Service<R, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    type Response = Response<TrackedBody<B, IgnoreEnd>>;
    type Error = Infallible;
    type Future = futures_util::future::MapOk<S::Future, fn(S::Response) -> Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0
            .call(request)
            .map_ok(|response| track(response, MethodClass::Other, IgnoreEnd))
    }
}
