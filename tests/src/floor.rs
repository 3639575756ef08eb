//! The least that a layer for count, duration and active can cost: what the measured cases are held against.
//!
//! Knows no routes, statuses, panics or recorders that come late: four handles that are there, two reads of the clock,
//! the request's method, by which some answers end at their head, and the end of the body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use campanile_http::{
    body::{Asked, BodyEnd, OnBodyEnd, TrackedBody, Tracking},
    clock::Mark,
};
use http::{Request, Response};
use http_body::Body;
use metrics::{Counter, Gauge, Histogram};
use tower::Service;

/// The handles of all requests.
pub(crate) struct Handles {
    pub(crate) count: Counter,
    pub(crate) duration: Histogram,
    pub(crate) active: Gauge,
}

/// The service that does the least.
#[derive(Clone)]
pub(crate) struct Floor<S> {
    pub(crate) inner: S,
    pub(crate) handles: &'static Handles,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Floor<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Future: Unpin>,
    ResB: Body,
{
    type Response = Response<TrackedBody<ResB, End>>;
    type Error = S::Error;
    type Future = FloorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        self.handles.active.increment(1.0);
        FloorFuture {
            started: Mark::now(),
            asked: Asked::by(request.method()),
            inner: self.inner.call(request),
            handles: self.handles,
        }
    }
}

/// The future of [`Floor`].
pub(crate) struct FloorFuture<F> {
    inner: F,
    handles: &'static Handles,
    started: Mark,
    asked: Asked,
}

impl<F, B, E> Future for FloorFuture<F>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
    B: Body,
{
    type Output = Result<Response<TrackedBody<B, End>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.inner).poll(cx);
        let tracking = match &polled {
            Poll::Ready(Ok(response)) => {
                let seconds = self.started.seconds_until(Mark::now());
                self.handles.duration.record(seconds);
                Tracking::of(response, self.asked, End(self.handles))
            }
            _ => Tracking::nobody(),
        };
        polled.map_ok(|response| response.map(|body| tracking.wrap(body)))
    }
}

/// Counts at the end of the body.
pub(crate) struct End(&'static Handles);

impl OnBodyEnd for End {
    fn on_body_end(&mut self, _: BodyEnd<'_>) {
        self.0.count.increment(1);
        self.0.active.decrement(1.0);
    }
}
