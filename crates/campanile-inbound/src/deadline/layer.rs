//! The layer and its service.

use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use campanile_core::{
    Deadline, RequestContext, RequestId,
    clock::{self, FastInstant},
};
use http::{Request, Response};
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use super::future::{ResponseFuture, SoftLimit};
use crate::{
    answer::Asker,
    series::{self, ServerSeries},
};

/// Answers in time, or says that it cannot. See the [module docs](crate::deadline).
#[derive(Clone, Copy)]
pub struct DeadlineLayer {
    config: Config,
}

/// Answers in time, or says that it cannot. See the [module docs](crate::deadline).
#[derive(Clone)]
pub struct Deadlines<S> {
    inner: S,
    config: Config,
}

#[derive(Clone, Copy)]
struct Config {
    table: &'static ServerSeries,
    trusted: bool,
    timeout: Option<Duration>,
    soft_limit: Option<Duration>,
}

impl DeadlineLayer {
    /// Makes a layer that keeps the deadlines that requests come with.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: Config {
                table: series::global(),
                trusted: true,
                timeout: None,
                soft_limit: None,
            },
        }
    }

    /// Sets the longest time to the head of an answer.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = Some(timeout);
        self
    }

    /// Sets the time to the head of an answer beyond which it is counted and logged.
    #[must_use]
    pub fn with_soft_limit(mut self, limit: Duration) -> Self {
        self.config.soft_limit = Some(limit);
        self
    }

    /// Ignores deadlines that come in, as a service at the edge does.
    #[must_use]
    pub fn without_incoming_deadlines(mut self) -> Self {
        self.config.trusted = false;
        self
    }

    /// Records to this recorder in place of the installed one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.config.table = series::of_recorder(recorder);
        self
    }
}

impl Default for DeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadlines<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        Deadlines {
            inner,
            config: self.config,
        }
    }
}

impl Config {
    /// Finds the nearest deadline of a request.
    #[inline]
    fn deadline<B>(&self, request: &Request<B>) -> Option<Deadline> {
        // A layer of this kind further out may have set a nearer one.
        let mut nearest = RequestContext::with_current(|context| context.and_then(RequestContext::deadline));
        if self.trusted {
            match Deadline::from_headers(request.headers()) {
                Ok(None) => {}
                Ok(Some(incoming)) => nearest = Some(nearer(nearest, incoming)),
                Err(_) => self.table.count_rejected_deadline(),
            }
        }
        if let Some(timeout) = self.timeout {
            nearest = Some(nearer(nearest, Deadline::after(timeout)));
        }
        nearest
    }

    /// Makes the future of a request that has a deadline.
    #[inline(never)]
    fn bounded<S, ReqB>(
        &self,
        inner: &mut S,
        mut request: Request<ReqB>,
        deadline: Deadline,
        soft_limit: Option<SoftLimit>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<ReqB>>,
    {
        let asker = Asker::of(&request);
        if deadline.is_passed() {
            return ResponseFuture::passed(asker);
        }
        let context = RequestContext::current()
            .unwrap_or_else(|| RequestContext::new(RequestId::generate()))
            .with_deadline(deadline);
        if let Some(extension) = request.extensions_mut().get_mut::<RequestContext>() {
            *extension = context.clone();
        }
        ResponseFuture::bounded(context, deadline, asker, soft_limit, || inner.call(request))
    }
}

fn nearer(one: Option<Deadline>, other: Deadline) -> Deadline {
    one.map_or(other, |one| one.min(other))
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Deadlines<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let soft_limit = self.config.soft_limit.map(|limit| SoftLimit {
            table: self.config.table,
            limit,
            started: FastInstant::now(),
        });
        match self.config.deadline(&request) {
            None => ResponseFuture::unbounded(self.inner.call(request), soft_limit),
            Some(deadline) => self
                .config
                .bounded(&mut self.inner, request, deadline, soft_limit),
        }
    }
}

impl fmt::Debug for DeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineLayer")
            .field("trusted", &self.config.trusted)
            .field("timeout", &self.config.timeout)
            .field("soft_limit", &self.config.soft_limit)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Deadlines<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlines")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
