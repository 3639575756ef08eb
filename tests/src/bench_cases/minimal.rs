//! Minimal services, which show the lowest possible cost of the layers.
//!
//! The metrics service records count, duration and active requests without routes, statuses, panics or late recorders: it
//! has resolved handles, two reads of the clock, the request method, and the end of the body. The request ID service puts
//! the received ID into the extensions, around the call and its future, and into the response head, without a trace, a
//! span, an in-flight entry, or a scope around the body.

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

/// The metric handles of all requests.
pub(super) struct Handles {
    pub(super) count: Counter,
    pub(super) duration: Histogram,
    pub(super) active: Gauge,
}

/// A service with minimal metrics.
#[derive(Clone)]
pub(super) struct MinimalMetrics<S> {
    pub(super) inner: S,
    pub(super) handles: &'static Handles,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for MinimalMetrics<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Future: Unpin>,
    ResB: Body,
{
    type Response = Response<TrackedBody<ResB, End>>;
    type Error = S::Error;
    type Future = MinimalMetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        self.handles.active.increment(1.0);
        MinimalMetricsFuture {
            started: FastInstant::now(),
            method_class: MethodClass::by(request.method()),
            inner: self.inner.call(request),
            handles: self.handles,
        }
    }
}

/// The future of [`MinimalMetrics`].
pub(super) struct MinimalMetricsFuture<F> {
    inner: F,
    handles: &'static Handles,
    started: FastInstant,
    method_class: MethodClass,
}

impl<F, B, E> Future for MinimalMetricsFuture<F>
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
                BodyTracker::of(response, self.method_class, End(self.handles))
            }
            _ => BodyTracker::nobody(),
        };
        polled.map_ok(|response| response.map(|body| tracking.wrap(body)))
    }
}

/// Records the end of the body.
pub(super) struct End(&'static Handles);

impl OnBodyEnd for End {
    fn on_body_end(self, _: BodyEnd<'_>) {
        self.0.count.increment(1);
        self.0.active.decrement(1.0);
    }
}

static ID: HeaderName = X_REQUEST_ID;

/// A service with a minimal request ID.
#[derive(Clone)]
pub(super) struct MinimalRequestId<S>(pub(super) S);

impl<S, ReqB, ResB> Service<Request<ReqB>> for MinimalRequestId<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MinimalRequestIdFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let value = &request.headers()[&ID];
        let id = RequestId::from_header(value).expect("the case sends a valid ID");
        let context = RequestContext::new(id);
        request.extensions_mut().insert(context.clone());
        let mut context = Some(context);
        let lent = RequestContext::lend(&mut context);
        let inner = self.0.call(request);
        drop(lent);
        MinimalRequestIdFuture {
            inner: Scoped::new(context, inner),
        }
    }
}

pin_project! {
    /// The future of [`MinimalRequestId`].
    pub(super) struct MinimalRequestIdFuture<F> {
        #[pin]
        inner: Scoped<F>,
    }
}

impl<F, B, E> Future for MinimalRequestIdFuture<F>
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
