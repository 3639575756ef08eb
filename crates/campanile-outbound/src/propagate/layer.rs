//! Writes the headers.

use std::{collections::HashSet, sync::Arc};

use campanile_core::{
    Deadline, RequestContext, RequestId,
    exchange::{Begin, ExchangeService, Observe},
    grpc, headers,
};
use http::{HeaderMap, HeaderName, Method, Request};
use tower_layer::Layer;

use super::{
    CallDeadline, PropagateService,
    observer::{PropagateObserver, deadline_exceeded},
};
use crate::host;

/// Sends the id, the deadline and the trace of the request being served along. See the [module docs](super).
#[derive(Debug, Clone, Default)]
pub struct PropagateLayer {
    /// An option, so that the common clone touches no reference count.
    options: Option<Arc<Options>>,
}

#[derive(Debug, Clone)]
struct Options {
    header: HeaderName,
    pass_through: bool,
    excluded: HashSet<Box<str>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header: headers::X_REQUEST_ID,
            pass_through: false,
            excluded: HashSet::new(),
        }
    }
}

impl PropagateLayer {
    /// Makes the layer: `X-Request-Id`, composed, to every host.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the header of the id. Default: `X-Request-Id`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName) -> Self {
        self.options().header = name;
        self
    }

    /// Sets whether the id is sent unchanged instead of composed with a new one, for peers that compare the whole id, as
    /// talisker does. Default: false.
    #[must_use]
    pub fn with_pass_through(mut self, pass_through: bool) -> Self {
        self.options().pass_through = pass_through;
        self
    }

    /// Excludes a host: id, deadline and trace are not sent to it. The deadline still ends calls to it.
    ///
    /// The host as in the URL, without the port, case-insensitive.
    #[must_use]
    pub fn with_excluded_host(mut self, host: &str) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.options().excluded.insert(host.to_ascii_lowercase().into());
        self
    }

    fn options(&mut self) -> &mut Options {
        Arc::make_mut(self.options.get_or_insert_default())
    }
}

impl<S> Layer<S> for PropagateLayer {
    type Service = PropagateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ExchangeService::new(inner, self.clone())
    }
}

impl<B> Observe<B> for PropagateLayer {
    type Observer = PropagateObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<PropagateObserver> {
        // gRPC posts, so the method alone decides for most requests.
        let is_grpc = *request.method() == Method::POST && grpc::is_grpc(request.headers());
        match self.prepare(request, is_grpc) {
            None => Begin::Skip,
            Some(deadline) if deadline.is_passed() => {
                Begin::Respond(Box::new(deadline_exceeded(is_grpc)), None)
            }
            Some(deadline) => Begin::Observe(PropagateObserver::new(deadline, is_grpc)),
        }
    }
}

impl PropagateLayer {
    /// Writes the headers and returns the call's deadline.
    #[inline]
    fn prepare<B>(&self, request: &mut Request<B>, is_grpc: bool) -> Option<Deadline> {
        let propagates = self
            .options
            .as_ref()
            .is_none_or(|options| !options.excludes(request));
        RequestContext::with_current(|current| {
            // A proxy may forward a request with its extensions from another task.
            let outer = match current {
                Some(_) => None,
                None => request.extensions().get::<RequestContext>().cloned(),
            };
            let context = current.or(outer.as_ref());
            let deadline = deadline(request, context);
            if propagates {
                self.write_id(request.headers_mut(), context);
                if let Some(deadline) = deadline {
                    write_deadline(request.headers_mut(), deadline, is_grpc);
                }
                if let Some(traceparent) = context.and_then(RequestContext::traceparent) {
                    request
                        .headers_mut()
                        .entry(headers::TRACEPARENT)
                        .or_insert_with(|| traceparent.clone());
                }
            }
            deadline
        })
    }

    #[inline]
    fn write_id(&self, fields: &mut HeaderMap, context: Option<&RequestContext>) {
        let options = self.options.as_deref();
        static DEFAULT: HeaderName = headers::X_REQUEST_ID;
        let name = options.map_or(&DEFAULT, |options| &options.header);
        let pass_through = options.is_some_and(|options| options.pass_through);
        if let http::header::Entry::Vacant(place) = fields.entry(name) {
            let id = match context {
                Some(context) if pass_through => context.id().clone(),
                Some(context) => context.id().compose(),
                None => RequestId::generate(),
            };
            place.insert(id.into_header());
        }
    }
}

impl Options {
    fn excludes<B>(&self, request: &Request<B>) -> bool {
        !self.excluded.is_empty()
            && host::authority(request.uri(), request.headers()).is_some_and(|authority| {
                host::with_lowercase(host::without_port(authority), |host| self.excluded.contains(host))
            })
    }
}

/// Finds the nearest deadline of a call. A header that is not valid is ignored.
#[inline]
fn deadline<B>(request: &Request<B>, context: Option<&RequestContext>) -> Option<Deadline> {
    let mut nearest = context.and_then(RequestContext::deadline);
    if let Some(own) = request.extensions().get::<CallDeadline>() {
        nearest = Some(nearer(nearest, own.deadline()));
    }
    if let Ok(Some(written)) = Deadline::from_headers(request.headers()) {
        nearest = Some(nearer(nearest, written));
    }
    nearest
}

fn nearer(one: Option<Deadline>, other: Deadline) -> Deadline {
    one.map_or(other, |one| one.min(other))
}

#[cold]
fn write_deadline(fields: &mut HeaderMap, deadline: Deadline, is_grpc: bool) {
    fields.insert(headers::X_REQUEST_DEADLINE, deadline.to_header());
    if is_grpc {
        let timeout = grpc::format_timeout(deadline.remaining());
        fields.insert(headers::GRPC_TIMEOUT, timeout);
    }
}
