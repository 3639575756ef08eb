//! Counts the bytes of request bodies whose size nobody tells in advance.
//!
//! The metrics layer records the sizes that are known when a request comes, which most are, and leaves the request's
//! body alone. This layer wraps the others' bodies, and records into the same
//! `http_server_request_body_size_bytes` what was read of them. It changes the request's body type, so it is a layer
//! of its own: place it inside the metrics layer. Without that one's status labels: a body is read before there is a
//! status.

use std::{
    fmt,
    task::{Context, Poll},
};

use campanile_core::{
    body::{BodyEnd, OnBodyEnd, TrackedBody},
    method,
    nesting::LayerId,
};
use http::{Request, Response};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    route,
    series::{self, RouteSeries, ServerSeries},
};

/// Counts the bytes of request bodies of unknown size. See the [module docs](crate::request_body).
#[derive(Clone, Copy)]
pub struct RequestBodySizeLayer {
    table: &'static ServerSeries,
}

/// Counts the bytes of request bodies of unknown size. See the [module docs](crate::request_body).
#[derive(Clone, Copy)]
pub struct RequestBodySize<S> {
    inner: S,
    table: &'static ServerSeries,
}

/// The body of a request, counted as it is read.
pub type RequestBody<B> = TrackedBody<B, Read>;

/// Records what was read of a body.
pub struct Read {
    table: &'static ServerSeries,
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
            table: series::global(),
        }
    }

    /// Records to this recorder in place of the installed one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.table = series::of_recorder(recorder);
        self
    }
}

impl Default for RequestBodySizeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestBodySizeLayer {
    type Service = RequestBodySize<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestBodySize {
            inner,
            table: self.table,
        }
    }
}

impl OnBodyEnd for Read {
    fn on_body_end(self, end: BodyEnd<'_>) {
        self.series.record_request_size(self.table, end.bytes);
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequestBodySize<S>
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
        if request.body().size_hint().exact().is_some() {
            return self.inner.call(request.map(TrackedBody::untracked));
        }
        // The body is read outside of any call, so the request itself has to say that it is counted.
        let counted = Counted(LayerId::of(self.table));
        if request.extensions_mut().insert(counted) == Some(counted) {
            return self.inner.call(request.map(TrackedBody::untracked));
        }
        let method = method::number(request.method());
        let series = match route::of(request.extensions()) {
            Some(route) => self.table.route(method, route, series::ROUTE_LIMIT as usize),
            None => self.table.other_route(method),
        };
        let read = Read {
            table: self.table,
            series,
        };
        let request = request.map(|inner| TrackedBody::tracked(inner, read));
        self.inner.call(request)
    }
}

impl fmt::Debug for RequestBodySizeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBodySizeLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RequestBodySize<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBodySize")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}
