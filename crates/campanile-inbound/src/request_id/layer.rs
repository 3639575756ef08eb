//! The layer and its service.

use std::{
    fmt,
    task::{Context, Poll},
};

use campanile_core::{
    RequestContext, RequestId,
    clock::{self, FastInstant},
    headers,
    in_flight::InFlightEntry,
    method,
};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;

use super::future::{Admitted, ResponseFuture};
use crate::{
    kept::{Kept, keep},
    series::{self, ServerSeries},
};

/// Gives each request its id. See the [module docs](crate::request_id).
#[derive(Clone)]
pub struct RequestIdLayer {
    settings: &'static Settings,
}

/// Gives each request its id. See the [module docs](crate::request_id).
#[derive(Clone)]
pub struct RequestIds<S> {
    inner: S,
    settings: &'static Settings,
}

static TRACEPARENT: HeaderName = headers::TRACEPARENT;

#[derive(Clone, PartialEq)]
struct Settings {
    table: &'static ServerSeries,
    header: HeaderName,
    trusted: bool,
    seated: bool,
}

static DEFAULT: Settings = Settings {
    table: series::global(),
    header: headers::X_REQUEST_ID,
    trusted: true,
    seated: true,
};

impl RequestIdLayer {
    /// Makes a layer that takes ids from `X-Request-Id`.
    #[must_use]
    pub fn new() -> Self {
        Self { settings: &DEFAULT }
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        static KEPT: Kept<Settings> = Kept::new(Vec::new());
        let mut settings = self.settings.clone();
        change(&mut settings);
        Self {
            settings: keep(&KEPT, settings),
        }
    }

    /// Reads and answers another header.
    #[must_use]
    pub fn with_header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.header = name)
    }

    /// Ignores ids that come in, as a service at the edge does: every request gets a new one.
    #[must_use]
    pub fn without_incoming_ids(self) -> Self {
        self.with(|settings| settings.trusted = false)
    }

    /// Keeps requests out of the [table of requests in flight](campanile_core::in_flight).
    #[must_use]
    pub fn without_table(self) -> Self {
        self.with(|settings| settings.seated = false)
    }

    /// Counts rejected ids with this recorder in place of the installed one.
    #[must_use]
    pub fn with_recorder(self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.with(|settings| settings.table = series::of_recorder(recorder))
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
            settings: self.settings,
        }
    }
}

impl Settings {
    /// Takes the id that came, or makes one.
    #[inline]
    fn id(&self, value: Option<&HeaderValue>) -> RequestId {
        match value {
            Some(value) if self.trusted => match RequestId::from_header(value) {
                Ok(id) => id,
                Err(_) => self.reject(),
            },
            _ => RequestId::generate(),
        }
    }

    #[cold]
    fn reject(&self) -> RequestId {
        self.table.count_rejected_id();
        RequestId::generate()
    }

    #[inline]
    fn admit<B>(&'static self, request: &mut Request<B>) -> (RequestContext, Admitted) {
        let [value, traceparent] = headers::find_each(request.headers(), [&self.header, &TRACEPARENT]);
        let traceparent = traceparent.cloned();
        let id = self.id(value);
        let span = span(&id);
        let seat = if self.seated {
            InFlightEntry::take(&id, method::number(request.method()), FastInstant::now())
        } else {
            None
        };
        let seat_ref = seat.as_ref().map(InFlightEntry::reference);
        let context = RequestContext::of_request(id, traceparent, seat_ref);
        request.extensions_mut().insert(context.clone());
        let header = &self.header;
        (context, Admitted { header, span, seat })
    }
}

/// Makes the span of a request; nothing where nobody wants it, as a span is large to be moved about.
#[inline]
fn span(id: &RequestId) -> Option<Box<Span>> {
    let span = tracing::info_span!(target: "campanile::request", "request", request_id = %id);
    // Not `is_disabled`: without a subscriber, tracing may write what happens to a span to the log.
    if span.is_none() {
        None
    } else {
        Some(Box::new(span))
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
        let (context, admitted) = self.settings.admit(&mut request);
        let mut context = Some(context);
        let span = admitted.span.as_deref().map(Span::enter);
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
            .field("header", &self.settings.header)
            .field("trusted", &self.settings.trusted)
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
