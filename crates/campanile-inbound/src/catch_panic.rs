//! Turns a panic of the inner service into a response.
//!
//! The response is 500, over gRPC `INTERNAL`, and does not contain the panic message; the log does, at level error. The
//! connection and its other requests go on. Inside the metrics layer the exchange's outcome is `panicked`. A panic of a
//! response body is not caught: its head is on the way.

use std::any::Any;

use campanile_core::{
    box_pool::BoxPool,
    exchange::{self, Begin, ExchangeService, Interrupt, Observe, ObservedBody, Observer},
};
use campanile_metrics::LogLimit;
use http::{Request, Response};
use tower_layer::Layer;

use crate::log::{admit, limit};
use crate::rejection::Rejection;

/// Responds when the inner service panics. See the [module docs](crate::catch_panic).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CatchPanicLayer {}

/// The service of [`CatchPanicLayer`].
pub type CatchPanicService<S> = ExchangeService<S, CatchPanicLayer>;

/// The future of [`CatchPanicService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, CatchPanicObserver>;

/// The response body of [`CatchPanicService`].
pub type ResponseBody<B> = ObservedBody<B, CatchPanicObserver>;

impl CatchPanicLayer {
    /// Makes the layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanicService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ExchangeService::new(inner, *self)
    }
}

impl<B> Observe<B> for CatchPanicLayer {
    type Observer = CatchPanicObserver;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<CatchPanicObserver> {
        Begin::Observe(CatchPanicObserver {
            rejection: Rejection::of(request),
        })
    }
}

/// Responds when the handler of one request panics. See the [module docs](crate::catch_panic).
#[derive(Debug)]
pub struct CatchPanicObserver {
    rejection: Rejection,
}

thread_local! {
    static POOL: BoxPool<CatchPanicObserver> = const { BoxPool::new() };
}

impl Observer for CatchPanicObserver {
    const CATCHES_PANICS: bool = true;

    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let Interrupt::Panicked(panic) = cause else {
            return None;
        };
        log(panic);
        Some(self.rejection.panicked())
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

fn log(panic: &(dyn Any + Send)) {
    static LIMIT: LogLimit = limit();
    if !admit(&LIMIT, |swallowed| {
        tracing::error!(
            target: "campanile::panic",
            "{swallowed} more like this were not logged: request handler panicked"
        );
    }) {
        return;
    }
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not a string");
    tracing::error!(target: "campanile::panic", panic = message, "request handler panicked");
}
