//! What observes one exchange.

use std::{any::Any, task::Context};

use http::{HeaderMap, Response};
use http_body::Body;

use super::End;

/// Observes one exchange.
///
/// Every method has a default that does nothing. `enter` and `leave` enclose each run of foreign code: the call, each
/// poll of the inner future and of the response body, and their drop; `on_response` and `on_end` run between them too.
pub trait Observer: Sized {
    /// Whether [`interrupt`](Self::interrupt) is called when the inner future is pending or fails.
    const INTERRUPTS: bool = false;

    /// Whether a panic of the inner service is caught and passed to [`interrupt`](Self::interrupt).
    const CATCHES_PANICS: bool = false;

    /// Whether [`interrupt_body`](Self::interrupt_body) is called before each poll of the response body.
    const INTERRUPTS_BODIES: bool = false;

    /// Runs before the inner service or the body.
    #[inline]
    fn enter(&mut self) {}

    /// Runs after the inner service or the body, also while unwinding.
    #[inline]
    fn leave(&mut self) {}

    /// Sees the response head, at most once, and may change it.
    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        let _ = response;
    }

    /// Runs exactly once, at the end. The observer is dropped right after.
    ///
    /// Runs while unwinding if the inner service panicked; a panic of this method is then swallowed.
    fn on_end(&mut self, end: End<'_>) {
        let _ = end;
    }

    /// May end the wait for the inner service with a response without a body. The inner future is dropped.
    ///
    /// Runs only as [`INTERRUPTS`](Self::INTERRUPTS) and [`CATCHES_PANICS`](Self::CATCHES_PANICS) say. The response then
    /// passes [`on_response`](Self::on_response) like any other.
    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let _ = cause;
        None
    }

    /// May end the response body with trailers. The inner body is dropped, and the exchange ends as
    /// [`Complete`](super::EndReason::Complete) with these trailers.
    ///
    /// Runs before each poll of the body, only as [`INTERRUPTS_BODIES`](Self::INTERRUPTS_BODIES) says. An observer that
    /// polls a timer here is polled again when the timer fires.
    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        let _ = cx;
        None
    }

    /// Moves the observer into its box.
    #[doc(hidden)]
    #[inline]
    fn boxed(self) -> Box<Self> {
        Box::new(self)
    }

    /// Drops the observer after its end, or returns its box to a pool.
    #[doc(hidden)]
    #[inline]
    fn recycle(self: Box<Self>) {}
}

/// Why an observer may interrupt the wait for a response.
#[derive(Debug)]
#[non_exhaustive]
pub enum Interrupt<'a, 'cx> {
    /// The inner future is pending; an observer can poll a timer.
    Pending(&'a mut Context<'cx>),
    /// The inner future returned an error.
    Failed,
    /// The call or a poll of the inner future panicked with this payload.
    Panicked(&'a (dyn Any + Send)),
}
