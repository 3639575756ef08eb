//! Writes the headers.

use std::{
    collections::HashSet,
    sync::Arc,
    task::{Context, Poll},
};

use campanile_core::{Deadline, RequestContext, RequestId, grpc, headers};
use http::{HeaderMap, HeaderName, Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{CallDeadline, ResponseBody, ResponseFuture};
use crate::host;

/// Sends the id, the deadline and the trace of the request being served along. See the [module docs](super).
#[derive(Debug, Clone, Default)]
pub struct PropagateLayer {
    // Nothing where all is as usual, so that a clone touches no reference count.
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

    /// Names the header of the id. Default: `X-Request-Id`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName) -> Self {
        self.options().header = name;
        self
    }

    /// Sends the id as it came, not composed with a new one: for peers that log and compare it whole, as talisker does.
    #[must_use]
    pub fn with_pass_through(mut self, pass_through: bool) -> Self {
        self.options().pass_through = pass_through;
        self
    }

    /// Names a host that is told neither id nor deadline nor trace. Its calls are bounded by the deadline all the same.
    ///
    /// By name as it stands in the URL, without the port, in any case.
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
    type Service = Propagate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Propagate {
            inner,
            options: self.options.clone(),
        }
    }
}

/// The service of [`PropagateLayer`]. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct Propagate<S> {
    inner: S,
    options: Option<Arc<Options>>,
}

impl<S, B, ResB> Service<Request<B>> for Propagate<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let is_grpc = *request.method() == Method::POST && grpc::is_grpc(request.headers());
        let deadline = self.prepare(&mut request, is_grpc);
        match deadline {
            Some(deadline) if deadline.is_passed() => ResponseFuture::passed(is_grpc),
            bound => ResponseFuture::new(self.inner.call(request), bound, is_grpc),
        }
    }
}

impl<S> Propagate<S> {
    /// Writes the headers and returns the call's deadline.
    #[inline]
    fn prepare<B>(&self, request: &mut Request<B>, is_grpc: bool) -> Option<Deadline> {
        let told = self
            .options
            .as_ref()
            .is_none_or(|options| !options.excludes(request));
        RequestContext::with_current(|current| {
            // A proxy hands on a request with its extensions, perhaps from a task of its own.
            let outer = match current {
                Some(_) => None,
                None => request.extensions().get::<RequestContext>().cloned(),
            };
            let context = current.or(outer.as_ref());
            let deadline = deadline(request, context);
            if told {
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
        static USUAL: HeaderName = headers::X_REQUEST_ID;
        let name = options.map_or(&USUAL, |options| &options.header);
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
                host::lower(host::without_port(authority), |host| self.excluded.contains(host))
            })
    }
}

/// Finds the nearest of the deadlines that are known. What the caller wrote unreadably is none.
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
