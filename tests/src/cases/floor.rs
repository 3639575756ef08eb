//! The least that layers can cost: what the measured cases are held against.
//!
//! The one for count, duration and active knows no routes, statuses, panics or recorders that come late: four handles
//! that are there, two reads of the clock, the request's method, by which some answers end at their head, and the end of
//! the body. The one for ids puts the id that came into the extensions, around the call and its future, and into the
//! answer's head: no trace, no span, no seat, and no scope around the body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use campanile_core::{
    RequestContext, RequestId, Scoped,
    body::{BodyEnd, BodyTracker, MethodClass, OnBodyEnd, TrackedBody},
    clock::FastInstant,
    headers::X_REQUEST_ID,
};
use http::{HeaderName, Request, Response};
use http_body::Body;
use metrics::{Counter, Gauge, Histogram};
use pin_project_lite::pin_project;
use tower::Service;

/// The handles of all requests.
pub(super) struct Handles {
    pub(super) count: Counter,
    pub(super) duration: Histogram,
    pub(super) active: Gauge,
}

/// The service that does the least.
#[derive(Clone)]
pub(super) struct Floor<S> {
    pub(super) inner: S,
    pub(super) handles: &'static Handles,
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
            started: FastInstant::now(),
            asked: MethodClass::by(request.method()),
            inner: self.inner.call(request),
            handles: self.handles,
        }
    }
}

/// The future of [`Floor`].
pub(super) struct FloorFuture<F> {
    inner: F,
    handles: &'static Handles,
    started: FastInstant,
    asked: MethodClass,
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
                let seconds = self.started.seconds_until(FastInstant::now());
                self.handles.duration.record(seconds);
                BodyTracker::of(response, self.asked, End(self.handles))
            }
            _ => BodyTracker::nobody(),
        };
        polled.map_ok(|response| response.map(|body| tracking.wrap(body)))
    }
}

/// Counts at the end of the body.
pub(super) struct End(&'static Handles);

impl OnBodyEnd for End {
    fn on_body_end(self, _: BodyEnd<'_>) {
        self.0.count.increment(1);
        self.0.active.decrement(1.0);
    }
}

static ID: HeaderName = X_REQUEST_ID;

/// The service that does the least for an id that came.
#[derive(Clone)]
pub(super) struct IdFloor<S>(pub(super) S);

impl<S, ReqB, ResB> Service<Request<ReqB>> for IdFloor<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = IdFloorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let value = &request.headers()[&ID];
        let id = RequestId::from_header(value).expect("the case's id is one");
        let context = RequestContext::new(id);
        request.extensions_mut().insert(context.clone());
        let mut context = Some(context);
        let lent = RequestContext::lend(&mut context);
        let inner = self.0.call(request);
        drop(lent);
        IdFloorFuture {
            inner: Scoped::new(context, inner),
        }
    }
}

pin_project! {
    /// The future of [`IdFloor`].
    pub(super) struct IdFloorFuture<F> {
        #[pin]
        inner: Scoped<F>,
    }
}

impl<F, B, E> Future for IdFloorFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        let mut polled = inner.as_mut().poll(cx);
        if let (Poll::Ready(Ok(response)), Some(context)) = (&mut polled, inner.take_context()) {
            response
                .headers_mut()
                .insert(&ID, context.id().as_header().clone());
        }
        polled
    }
}
