//! The layer and its service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use campanile_http::{
    RequestContext, RequestId,
    clock::{self, Mark},
    headers, in_flight, method,
};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use super::future::{Admitted, ResponseFuture};
use crate::series::{self, ServerSeries};

/// Gives each request its id. See the [module docs](crate::request_id).
#[derive(Clone)]
pub struct RequestIdLayer {
    config: Config,
}

/// Gives each request its id. See the [module docs](crate::request_id).
#[derive(Clone)]
pub struct RequestIds<S> {
    inner: S,
    config: Config,
}

static X_REQUEST_ID: HeaderName = headers::X_REQUEST_ID;
static TRACEPARENT: HeaderName = headers::TRACEPARENT;

#[derive(Clone)]
struct Config {
    table: &'static ServerSeries,
    trusted: bool,
    seated: bool,
    /// Nothing for the usual one, so that cloning touches no reference count.
    header: Option<Arc<HeaderName>>,
}

impl RequestIdLayer {
    /// Makes a layer that takes ids from `X-Request-Id`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: Config {
                table: series::global(),
                trusted: true,
                seated: true,
                header: None,
            },
        }
    }

    /// Reads and answers another header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName) -> Self {
        self.config.header = Some(Arc::new(name));
        self
    }

    /// Ignores ids that come in, as a service at the edge does: every request gets a new one.
    #[must_use]
    pub fn without_incoming_ids(mut self) -> Self {
        self.config.trusted = false;
        self
    }

    /// Keeps requests out of the [table of requests in flight](campanile_http::in_flight).
    #[must_use]
    pub fn without_table(mut self) -> Self {
        self.config.seated = false;
        self
    }

    /// Counts rejected ids with this recorder in place of the installed one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.config.table = series::of_recorder(recorder);
        self
    }
}

impl Default for RequestIdLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIds<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        RequestIds {
            inner,
            config: self.config.clone(),
        }
    }
}

impl Config {
    fn header(&self) -> &HeaderName {
        self.header.as_deref().unwrap_or(&X_REQUEST_ID)
    }

    /// Takes the id that came, or makes one.
    #[inline]
    fn id(&self, value: Option<&HeaderValue>) -> RequestId {
        match value {
            Some(value) if self.trusted => RequestId::from_header(value).unwrap_or_else(|_| self.reject()),
            _ => RequestId::generate(),
        }
    }

    #[cold]
    fn reject(&self) -> RequestId {
        self.table.count_rejected_id();
        RequestId::generate()
    }

    #[inline]
    fn admit<B>(&self, request: &mut Request<B>) -> (RequestContext, Admitted) {
        let [value, traceparent] = headers::find_each(request.headers(), [self.header(), &TRACEPARENT]);
        let id = self.id(value);
        let span = tracing::info_span!(target: "campanile::request", "request", request_id = %id);
        let seat = if self.seated {
            in_flight::Seat::take(&id, method::number(request.method()), Mark::now())
        } else {
            None
        };
        let context = RequestContext::of_request(
            id,
            traceparent.cloned(),
            seat.as_ref().map(in_flight::Seat::reference),
        );
        request.extensions_mut().insert(context.clone());
        let header = self.header.clone();
        (context, Admitted { header, span, seat })
    }
}

/// Calls the inner service for a request that has its id already.
#[cold]
fn pass<S, R>(inner: &mut S, request: R) -> ResponseFuture<S::Future>
where
    S: Service<R>,
{
    ResponseFuture::passing(inner.call(request))
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequestIds<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    type Response = Response<super::ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if request.extensions().get::<RequestContext>().is_some() {
            return pass(&mut self.inner, request);
        }
        let (context, admitted) = self.config.admit(&mut request);
        let mut context = Some(context);
        let span = admitted.span.enter();
        let lent = RequestContext::lend(&mut context);
        let inner = self.inner.call(request);
        drop(lent);
        drop(span);
        ResponseFuture::admitted(inner, context, admitted)
    }
}

impl fmt::Debug for RequestIdLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestIdLayer")
            .field("header", self.config.header())
            .field("trusted", &self.config.trusted)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RequestIds<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestIds")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
