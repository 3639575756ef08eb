//! Gives each request its id, and the code below a way to find it.
//!
//! ```
//! use campanile_core::RequestContext;
//! use campanile_inbound::RequestIdLayer;
//! use tower::{ServiceBuilder, service_fn};
//!
//! let service = ServiceBuilder::new().layer(RequestIdLayer::new()).service(service_fn(
//!     |_request: http::Request<String>| async {
//!         let id = RequestContext::current().map(|context| context.id().to_string());
//!         Ok::<_, std::convert::Infallible>(http::Response::new(id.unwrap_or_default()))
//!     },
//! ));
//! ```
//!
//! The id is the first `X-Request-Id` of the request, if it is a valid [`RequestId`]; otherwise a new UUID. Invalid ids
//! are counted in `http_server_request_ids_rejected_total`, and are never an error to the client. The response carries
//! exactly that id, in one header, whatever the application set.
//!
//! The [`RequestContext`] is current whenever the inner service's future and the response body run: code finds it by
//! [`RequestContext::current`], an axum handler also as an extractor (feature `axum`), and code that only has the request
//! in its extensions with [`with_extension`](RequestIdLayer::with_extension). The span `request` (target
//! `campanile::request`, level info, field `request_id`) is entered as well, where a subscriber is interested in it.
//! `traceparent` is kept in the context.
//!
//! The request has an entry in the [table of requests in flight](campanile_core::in_flight) until its response body ends.
//!
//! Inside another layer of its kind, the layer does nothing for the same request. A request that a handler makes in its
//! own process is a request of its own if it carries an id.

use std::fmt;

use campanile_core::{
    IncomingValue, RequestContext, RequestId,
    box_pool::BoxPool,
    clock::{self, FastInstant},
    exchange::{self, Begin, End, ExchangeService, Observe, ObservedBody, Observer},
    headers,
    in_flight::InFlightEntry,
    method,
};
use campanile_metrics::RecorderHandle;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tracing::Span;

use crate::{intern::Interned, series::InboundSeries};

/// Gives each request its id. See the [module docs](crate::request_id).
#[derive(Clone, Copy)]
pub struct RequestIdLayer {
    settings: &'static Settings,
}

/// The service of [`RequestIdLayer`].
pub type RequestIdService<S> = ExchangeService<S, RequestIdLayer>;

/// The future of [`RequestIdService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, RequestIdObserver>;

/// The response body of [`RequestIdService`].
pub type ResponseBody<B> = ObservedBody<B, RequestIdObserver>;

#[derive(Clone, PartialEq)]
struct Settings {
    table: &'static InboundSeries,
    header: HeaderName,
    incoming_ids: bool,
    in_flight_table: bool,
    extension: bool,
}

static DEFAULT: Settings = Settings {
    table: InboundSeries::global(),
    header: headers::X_REQUEST_ID,
    incoming_ids: true,
    in_flight_table: true,
    extension: false,
};

impl RequestIdLayer {
    /// Makes a layer that takes ids from `X-Request-Id`.
    #[must_use]
    pub fn new() -> Self {
        Self { settings: &DEFAULT }
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        static INTERNED: Interned<Settings> = Interned::new();
        let mut settings = self.settings.clone();
        change(&mut settings);
        Self {
            settings: INTERNED.intern(settings),
        }
    }

    /// Sets the header that carries the id in requests and responses. Default: `X-Request-Id`.
    #[must_use]
    pub fn with_header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.header = name)
    }

    /// Sets whether incoming ids are taken. Default: true. With false, as at the edge, every request gets a new id.
    #[must_use]
    pub fn with_incoming_ids(self, on: bool) -> Self {
        self.with(|settings| settings.incoming_ids = on)
    }

    /// Sets whether requests have an entry in the [table of requests in flight](campanile_core::in_flight). Default: true.
    #[must_use]
    pub fn with_in_flight_table(self, on: bool) -> Self {
        self.with(|settings| settings.in_flight_table = on)
    }

    /// Sets whether the request's extensions hold the [`RequestContext`] too. Default: false.
    ///
    /// For code that is handed a request outside of its own future, such as a queue in front of a worker. Costs three
    /// allocations where the extensions are empty.
    #[must_use]
    pub fn with_extension(self, on: bool) -> Self {
        self.with(|settings| settings.extension = on)
    }

    /// Counts invalid ids with this recorder instead of the global one.
    #[must_use]
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        self.with(|settings| settings.table = InboundSeries::of(recorder.into()))
    }
}

impl Default for RequestIdLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        ExchangeService::new(inner, *self)
    }
}

impl Settings {
    /// Takes the incoming id, or makes one.
    #[inline]
    fn id(&self, value: Option<&HeaderValue>) -> RequestId {
        match value {
            Some(value) if self.incoming_ids => match RequestId::from_header(value) {
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
}

impl<B> Observe<B> for RequestIdLayer {
    type Observer = RequestIdObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<RequestIdObserver> {
        static TRACEPARENT: HeaderName = headers::TRACEPARENT;
        let settings = self.settings;
        let [value, traceparent] = headers::find_each(request.headers(), [&settings.header, &TRACEPARENT]);
        let incoming = IncomingValue::of(value);
        if RequestContext::with_current(|current| current.is_some_and(|current| current.began_with(incoming)))
        {
            return Begin::Skip;
        }
        let id = settings.id(value);
        let traceparent = traceparent.cloned();
        let span = span(&id);
        let entry = if settings.in_flight_table {
            InFlightEntry::take(&id, method::number(request.method()), FastInstant::now())
        } else {
            None
        };
        let entry_ref = entry.as_ref().map(InFlightEntry::reference);
        let context = RequestContext::of_request(id, traceparent, entry_ref, incoming);
        if settings.extension {
            request.extensions_mut().insert(context.clone());
        }
        Begin::Observe(RequestIdObserver {
            context: Some(context),
            entry,
            span,
            header: &settings.header,
            has_ended: false,
        })
    }
}

/// Makes the span of a request, if a subscriber is interested in it. Boxed, since most programs have none and a span is
/// large to move.
#[inline]
fn span(id: &RequestId) -> Option<Box<Span>> {
    let span = tracing::info_span!(target: "campanile::request", "request", request_id = %id);
    if span.is_disabled() {
        None
    } else {
        Some(Box::new(span))
    }
}

/// Makes the context of one request current. See the [module docs](crate::request_id).
pub struct RequestIdObserver {
    /// While entered, the enclosing context.
    context: Option<RequestContext>,
    entry: Option<InFlightEntry>,
    span: Option<Box<Span>>,
    header: &'static HeaderName,
    has_ended: bool,
}

thread_local! {
    static POOL: BoxPool<RequestIdObserver> = const { BoxPool::new() };
}

impl Observer for RequestIdObserver {
    #[inline]
    fn enter(&mut self) {
        // The subscriber first: if it panics, the context does not stay current.
        if let Some(span) = &self.span {
            span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        }
        RequestContext::swap_current(&mut self.context);
    }

    #[inline]
    fn leave(&mut self) {
        RequestContext::swap_current(&mut self.context);
        if let Some(span) = &self.span {
            span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        }
        if self.has_ended {
            if let Some(context) = self.context.take() {
                context.recycle();
            }
            self.span = None;
        }
    }

    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        let id =
            RequestContext::with_current(|current| current.map(|current| current.id().as_header().clone()));
        if let Some(id) = id {
            response.headers_mut().insert(self.header, id);
        }
        if let (Some(entry), false) = (&self.entry, response.body().is_end_stream()) {
            entry.set_body();
        }
    }

    #[inline]
    fn on_end(&mut self, _end: End<'_>) {
        self.entry = None;
        self.has_ended = true;
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(self: Box<Self>) {
        BoxPool::recycle(&POOL, self);
    }
}

impl fmt::Debug for RequestIdLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestIdLayer")
            .field("header", &self.settings.header)
            .field("incoming_ids", &self.settings.incoming_ids)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RequestIdObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestIdObserver")
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}
