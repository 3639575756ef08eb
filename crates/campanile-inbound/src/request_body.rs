//! Counts the bytes of request bodies that do not announce their size.
//!
//! The metrics layer records the sizes that requests announce, as most do, and leaves the request body alone. This layer
//! wraps the other bodies, and records into the same `http_server_request_body_size_bytes` what was read of them. It
//! changes the type of the request body, so it is a layer of its own: place it inside the metrics layer. Not together with
//! [`with_status_labels`](crate::MetricsLayer::with_status_labels): a body is read before there is a status.

use std::{
    fmt,
    task::{Context, Poll},
};

use campanile_core::{
    exchange::{End, ObservedBody, Observer},
    layer_id::LayerId,
    method,
};
use campanile_metrics::RecorderHandle;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    route::KnownRoute,
    series::{InboundSeries, ROUTE_LIMIT, RouteSeries},
};

/// Counts the bytes of request bodies of unknown size. See the [module docs](crate::request_body).
#[derive(Clone, Copy)]
pub struct RequestBodySizeLayer {
    table: &'static InboundSeries,
}

/// The service of [`RequestBodySizeLayer`].
#[derive(Clone, Copy)]
pub struct RequestBodySizeService<S> {
    inner: S,
    table: &'static InboundSeries,
}

/// A request body whose bytes are counted as they are read.
pub type RequestBody<B> = ObservedBody<B, ReadObserver>;

/// Records what was read of one request body.
pub struct ReadObserver {
    table: &'static InboundSeries,
    series: &'static RouteSeries,
}

/// Marks a request whose body is counted for a recorder.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counted(LayerId);

impl RequestBodySizeLayer {
    /// Makes the layer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: InboundSeries::global(),
        }
    }

    /// Records to this recorder instead of the global one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.table = InboundSeries::of(recorder.into());
        self
    }
}

impl Default for RequestBodySizeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestBodySizeLayer {
    type Service = RequestBodySizeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestBodySizeService {
            inner,
            table: self.table,
        }
    }
}

impl Observer for ReadObserver {
    fn on_end(&mut self, end: End<'_>) {
        self.series.record_request_size(self.table, end.bytes);
    }
}

impl<S> RequestBodySizeService<S> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Makes the observer of a request body; `None` if its size is known, or an enclosing layer counts it.
    fn observer<B: Body>(&self, request: &mut Request<B>) -> Option<ReadObserver> {
        if request.body().size_hint().exact().is_some() {
            return None;
        }
        // The body is read outside of any call, so the request itself carries the mark.
        let counted = Counted(LayerId::of(self.table));
        if request.extensions_mut().insert(counted) == Some(counted) {
            return None;
        }
        let method = method::number(request.method());
        let series = match KnownRoute::of(request.extensions()) {
            Some(route) => self.table.route(method, route, ROUTE_LIMIT as usize),
            None => self.table.other_route(method),
        };
        Some(ReadObserver {
            table: self.table,
            series,
        })
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequestBodySizeService<S>
where
    S: Service<Request<RequestBody<ReqB>>, Response = Response<ResB>>,
    ReqB: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let observer = self.observer(&mut request);
        self.inner
            .call(request.map(|body| ObservedBody::of_body(body, observer)))
    }
}

impl fmt::Debug for RequestBodySizeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBodySizeLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RequestBodySizeService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBodySizeService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadObserver").finish_non_exhaustive()
    }
}
