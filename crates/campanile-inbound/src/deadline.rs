//! Ends requests at their deadline.
//!
//! ```
//! use std::time::Duration;
//!
//! use campanile_inbound::DeadlineLayer;
//!
//! let layer = DeadlineLayer::new()
//!     .with_timeout(Duration::from_secs(10))
//!     .with_soft_limit(Duration::from_secs(2));
//! ```
//!
//! The deadline of a request is the nearer of the one it carries (`X-Request-Deadline`, or `grpc-timeout` for gRPC) and
//! the layer's own timeout. If it passes before there is a response head, the inner service is dropped and the response is
//! 504, over gRPC `DEADLINE_EXCEEDED`; if it has passed on arrival, the inner service is not called. Without either there
//! is no deadline, and no timer.
//!
//! The deadline that a gRPC call carries bounds the whole call: if it passes in the response body, the inner body is dropped, and
//! with it what is left of the request body, and trailers with `DEADLINE_EXCEEDED` end the call. Inside the metrics layer the
//! outcome is `timed_out`, as it is before the head.
//!
//! The deadline is written to the [`RequestContext`], so that outgoing calls carry it on. A header that is not valid is
//! ignored and counted in `http_server_deadlines_rejected_total`.
//!
//! The soft limit changes no response: a response head that took longer is counted in `http_server_soft_timeouts_total`
//! and logged with the request's id, at level warn.
//!
//! **What it does not do.** It does not end the response body of a request that is not gRPC, which HTTP could only cut, nor
//! a body that is not polled, because the client does not read: a server's limit for stalled writes does that.

use std::{fmt, pin::Pin, task::Context, time::Duration};

use campanile_core::{
    Deadline, RequestContext, RequestId,
    clock::{self, FastInstant},
    exchange::{self, Begin, ExchangeService, Interrupt, Observe, ObservedBody, Observer},
    grpc,
};
use campanile_metrics::{LogLimit, RecorderHandle};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tokio::time::{Instant, Sleep};
use tower_layer::Layer;

use crate::{
    log::{admit, limit},
    rejection::Rejection,
    series::InboundSeries,
};

/// Ends requests at their deadline. See the [module docs](crate::deadline).
#[derive(Clone, Copy)]
pub struct DeadlineLayer {
    table: &'static InboundSeries,
    incoming_deadlines: bool,
    timeout: Option<Duration>,
    soft_limit: Option<Duration>,
}

/// The service of [`DeadlineLayer`].
pub type DeadlineService<S> = ExchangeService<S, DeadlineLayer>;

/// The future of [`DeadlineService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, DeadlineObserver>;

/// The response body of [`DeadlineService`].
pub type ResponseBody<B> = ObservedBody<B, DeadlineObserver>;

impl DeadlineLayer {
    /// Makes a layer that applies the deadlines that requests carry.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: InboundSeries::global(),
            incoming_deadlines: true,
            timeout: None,
            soft_limit: None,
        }
    }

    /// Sets the longest time to the response head. Default: none. It does not bound the body, so that long streams live on.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the time to the response head beyond which a request is counted and logged. Default: none.
    #[must_use]
    pub fn with_soft_limit(mut self, limit: Duration) -> Self {
        self.soft_limit = Some(limit);
        self
    }

    /// Sets whether incoming deadlines are applied. Default: true; false at the edge.
    #[must_use]
    pub fn with_incoming_deadlines(mut self, on: bool) -> Self {
        self.incoming_deadlines = on;
        self
    }

    /// Records to this recorder instead of the global one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.table = InboundSeries::of(recorder.into());
        self
    }

    /// Finds the nearest deadline of a request, and the one that it carries.
    #[inline]
    fn deadline<B>(&self, request: &Request<B>) -> (Option<Deadline>, Option<Deadline>) {
        // A layer of this kind further out may have set a nearer one.
        let mut nearest = RequestContext::peek_current(RequestContext::deadline).flatten();
        let mut carried = None;
        if self.incoming_deadlines {
            match Deadline::from_headers(request.headers()) {
                Ok(None) => {}
                Ok(Some(incoming)) => {
                    carried = Some(incoming);
                    nearest = Some(nearer(nearest, incoming));
                }
                Err(_) => self.table.count_rejected_deadline(),
            }
        }
        if let Some(timeout) = self.timeout {
            nearest = Some(nearer(nearest, Deadline::after(timeout)));
        }
        (nearest, carried)
    }

    #[inline(never)]
    fn begin_slow<B>(
        &self,
        request: &mut Request<B>,
        (deadline, carried): (Option<Deadline>, Option<Deadline>),
    ) -> Begin<DeadlineObserver> {
        let rejection = Rejection::of(request);
        let mut context = None;
        if let Some(deadline) = deadline {
            if deadline.is_passed() {
                return Begin::Respond(Box::new(rejection.deadline_passed()), None);
            }
            if RequestContext::with_current(|current| current.is_none()) {
                context = Some(RequestContext::new(RequestId::generate()).with_deadline(deadline));
            }
            if let Some(extension) = request.extensions_mut().get_mut::<RequestContext>() {
                *extension = extension.clone().with_deadline(deadline);
            }
        }
        let soft_limit = self.soft_limit.map(|limit| SoftLimit {
            table: self.table,
            limit,
            started: FastInstant::now(),
        });
        Begin::Observe(DeadlineObserver(Box::new(State {
            timer: deadline.map(|deadline| Box::pin(tokio::time::sleep(deadline.remaining()))),
            has_deadline: deadline.is_some(),
            carried: carried.filter(|_| rejection.is_grpc()),
            own_is_nearer: carried != deadline,
            rejection,
            soft_limit,
            owns_context: context.is_some(),
            context,
            deadline,
        })))
    }
}

fn nearer(one: Option<Deadline>, other: Deadline) -> Deadline {
    one.map_or(other, |one| one.min(other))
}

impl Default for DeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        ExchangeService::new(inner, *self)
    }
}

impl<B> Observe<B> for DeadlineLayer {
    type Observer = DeadlineObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<DeadlineObserver> {
        let deadlines = self.deadline(request);
        if deadlines.0.is_none() && self.soft_limit.is_none() {
            return Begin::Skip;
        }
        self.begin_slow(request, deadlines)
    }
}

/// Ends one request at its deadline. See the [module docs](crate::deadline).
// Boxed, since few requests have a deadline and the others should not move a timer.
pub struct DeadlineObserver(Box<State>);

struct State {
    /// `None` without a deadline, and once it no longer ends the exchange.
    timer: Option<Pin<Box<Sleep>>>,
    has_deadline: bool,
    /// The deadline that a gRPC call carries, which bounds its response body.
    carried: Option<Deadline>,
    /// Whether the layer's own timeout, which bounds the head only, is nearer.
    own_is_nearer: bool,
    rejection: Rejection,
    soft_limit: Option<SoftLimit>,
    /// Whether the request had no context, and was given one.
    owns_context: bool,
    /// That context; while entered, the enclosing one.
    context: Option<RequestContext>,
    /// The deadline of this request; while entered, the one that the context had before, which may be the context of an
    /// enclosing request or of work that goes on.
    deadline: Option<Deadline>,
}

struct SoftLimit {
    table: &'static InboundSeries,
    limit: Duration,
    started: FastInstant,
}

impl SoftLimit {
    fn check(&self) {
        let took = self.started.until(FastInstant::now());
        if took <= self.limit {
            return;
        }
        self.table.count_soft_timeout();
        static LIMIT: LogLimit = limit();
        if !admit(&LIMIT, |swallowed| {
            tracing::warn!(
                target: "campanile::deadline",
                "{swallowed} more like this were not logged: response took longer than the soft limit"
            );
        }) {
            return;
        }
        let id = RequestContext::with_current(|current| current.map(|current| current.id().clone()));
        tracing::warn!(
            target: "campanile::deadline",
            request_id = id.as_ref().map_or("", |id| id.as_str()),
            took_seconds = took.as_secs_f64(),
            limit_seconds = self.limit.as_secs_f64(),
            "response took longer than the soft limit"
        );
    }
}

impl State {
    /// Makes the deadline current, or the enclosing one again.
    fn swap(&mut self) {
        if self.owns_context {
            RequestContext::swap_current(&mut self.context);
        } else if self.has_deadline {
            RequestContext::swap_current_deadline(&mut self.deadline);
        }
    }

    /// Sets the timer of the response body.
    fn bound_body<B>(&mut self, response: &Response<B>) {
        let carried = self.carried.filter(|_| grpc::is_grpc(response.headers()));
        match (carried, &mut self.timer) {
            (Some(_), _) if !self.own_is_nearer => {}
            (Some(carried), Some(timer)) => timer.as_mut().reset(Instant::now() + carried.remaining()),
            _ => self.timer = None,
        }
    }
}

impl Observer for DeadlineObserver {
    const INTERRUPTS: bool = true;
    const INTERRUPTS_BODIES: bool = true;

    #[inline]
    fn enter(&mut self) {
        self.0.swap();
    }

    #[inline]
    fn leave(&mut self) {
        self.0.swap();
    }

    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        self.0.bound_body(response);
        if let Some(soft_limit) = self.0.soft_limit.take() {
            soft_limit.check();
        }
    }

    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let (Interrupt::Pending(cx), Some(timer)) = (cause, &mut self.0.timer) else {
            return None;
        };
        let passed = timer.as_mut().poll(cx).is_ready();
        passed.then(|| self.0.rejection.deadline_passed())
    }

    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        let passed = self.0.timer.as_mut()?.as_mut().poll(cx).is_ready();
        passed.then(grpc::deadline_trailers)
    }
}

impl fmt::Debug for DeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineLayer")
            .field("incoming_deadlines", &self.incoming_deadlines)
            .field("timeout", &self.timeout)
            .field("soft_limit", &self.soft_limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeadlineObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineObserver").finish_non_exhaustive()
    }
}
