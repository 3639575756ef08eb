//! The wrapped service, and trivial layers.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile_core::{
    box_pool::BoxPool,
    exchange::{Begin, End, Observe, Observer},
};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
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

/// Observes exchanges and records nothing: the cost of the engine.
#[derive(Clone)]
pub(super) struct ObserveNothing;

/// One exchange of which nothing is recorded.
pub(super) struct Nothing;

thread_local! {
    static POOL: BoxPool<Nothing> = const { BoxPool::new() };
}

impl<B> Observe<B> for ObserveNothing {
    type Observer = Nothing;

    fn begin(&self, _: &mut Request<B>) -> Begin<Nothing> {
        Begin::Observe(Nothing)
    }
}

impl Observer for Nothing {
    fn on_end(&mut self, end: End<'_>) {
        std::hint::black_box(end.bytes);
    }

    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    fn recycle(self: Box<Self>) {
        BoxPool::recycle(&POOL, self);
    }
}
