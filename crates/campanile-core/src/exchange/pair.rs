//! Two observers of one exchange.

use std::{mem::ManuallyDrop, task::Context};

use http::{HeaderMap, Request, Response};
use http_body::Body;

use super::{
    Begin, End, Interrupt, Observe, Observer,
    poll_guard::{Leaving, end_while_unwinding, panicked, run_both},
};

/// Composes two [`Observe`]s, or the two observers that they make, into one exchange. The first encloses the second.
///
/// The response head and the end reach the second first. Either may skip a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pair<A, B> {
    /// The one that encloses the other.
    pub outer: A,
    /// The enclosed one.
    pub inner: B,
}

impl<A, B> Pair<A, B> {
    /// Composes two into one.
    #[inline]
    pub const fn new(outer: A, inner: B) -> Self {
        Self { outer, inner }
    }
}

impl<R, A: Observe<R>, B: Observe<R>> Observe<R> for Pair<A, B> {
    type Observer = Pair<Option<A::Observer>, Option<B::Observer>>;

    #[inline]
    fn begin(&self, request: &mut Request<R>) -> Begin<Self::Observer> {
        let outer = match self.outer.begin(request) {
            Begin::Observe(outer) => Some(outer),
            Begin::Skip => None,
            Begin::Respond(response, outer) => {
                return Begin::Respond(response, outer.map(|outer| Pair::new(Some(outer), None)));
            }
        };
        let mut begun = BegunOuter {
            outer,
            is_entered: false,
        };
        begun.outer.enter();
        begun.is_entered = true;
        let inner = self.inner.begin(request);
        begun.is_entered = false;
        begun.outer.leave();
        let outer = begun.outer.take();
        match inner {
            Begin::Observe(inner) => Begin::Observe(Pair::new(outer, Some(inner))),
            Begin::Skip if outer.is_none() => Begin::Skip,
            Begin::Skip => Begin::Observe(Pair::new(outer, None)),
            Begin::Respond(response, inner) => Begin::Respond(response, Some(Pair::new(outer, inner))),
        }
    }
}

/// The outer observer while the inner one begins: if that panics, the exchange of the outer one ends here.
struct BegunOuter<A: Observer> {
    outer: Option<A>,
    is_entered: bool,
}

impl<A: Observer> Drop for BegunOuter<A> {
    #[inline]
    fn drop(&mut self) {
        if let Some(outer) = self.outer.take() {
            end_begun(outer, self.is_entered);
        }
    }
}

#[cold]
#[inline(never)]
fn end_begun<A: Observer>(outer: A, is_entered: bool) {
    end_while_unwinding(Box::new(outer), panicked(0), is_entered);
}

impl<A: Observer, B: Observer> Observer for Pair<A, B> {
    const INTERRUPTS: bool = A::INTERRUPTS || B::INTERRUPTS;
    const CATCHES_PANICS: bool = A::CATCHES_PANICS || B::CATCHES_PANICS;
    const INTERRUPTS_BODIES: bool = A::INTERRUPTS_BODIES || B::INTERRUPTS_BODIES;

    #[inline]
    fn enter(&mut self) {
        self.outer.enter();
        // If the inner one panics, neither is entered.
        let outer = Leaving(&mut self.outer);
        self.inner.enter();
        let _ = ManuallyDrop::new(outer);
    }

    #[inline]
    fn leave(&mut self) {
        run_both(|| self.inner.leave(), || self.outer.leave());
    }

    #[inline]
    fn on_response<R: Body>(&mut self, response: &mut Response<R>) {
        self.inner.on_response(response);
        self.outer.on_response(response);
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        run_both(|| self.inner.on_end(end), || self.outer.on_end(end));
    }

    #[inline]
    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        match cause {
            Interrupt::Pending(cx) => {
                let inner = self.inner.interrupt(Interrupt::Pending(cx));
                inner.or_else(|| self.outer.interrupt(Interrupt::Pending(cx)))
            }
            Interrupt::Failed => {
                let inner = self.inner.interrupt(Interrupt::Failed);
                inner.or_else(|| self.outer.interrupt(Interrupt::Failed))
            }
            Interrupt::Panicked(panic) => {
                let inner = self.inner.interrupt(Interrupt::Panicked(panic));
                inner.or_else(|| self.outer.interrupt(Interrupt::Panicked(panic)))
            }
        }
    }

    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        self.inner
            .interrupt_body(cx)
            .or_else(|| self.outer.interrupt_body(cx))
    }
}

impl<O: Observer> Observer for Option<O> {
    const INTERRUPTS: bool = O::INTERRUPTS;
    const CATCHES_PANICS: bool = O::CATCHES_PANICS;
    const INTERRUPTS_BODIES: bool = O::INTERRUPTS_BODIES;

    #[inline]
    fn enter(&mut self) {
        if let Some(observer) = self {
            observer.enter();
        }
    }

    #[inline]
    fn leave(&mut self) {
        if let Some(observer) = self {
            observer.leave();
        }
    }

    #[inline]
    fn on_response<R: Body>(&mut self, response: &mut Response<R>) {
        if let Some(observer) = self {
            observer.on_response(response);
        }
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        if let Some(observer) = self {
            observer.on_end(end);
        }
    }

    #[inline]
    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        self.as_mut().and_then(|observer| observer.interrupt(cause))
    }

    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        self.as_mut().and_then(|observer| observer.interrupt_body(cx))
    }
}
