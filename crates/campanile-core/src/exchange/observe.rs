//! What makes an observer for each request.

use std::mem::ManuallyDrop;

use http::{Request, Response};

use super::{Observer, PollGuard};

/// Makes an [`Observer`] for each request. Cloned with the service.
pub trait Observe<B> {
    /// What observes one exchange.
    type Observer: Observer;

    /// Begins to observe the exchange of a request. The inner service has not been called yet.
    fn begin(&self, request: &mut Request<B>) -> Begin<Self::Observer>;

    /// Does what [`begin`](Self::begin) does, moves the observer into its box and enters it.
    #[doc(hidden)]
    #[inline]
    fn begin_entered(&self, request: &mut Request<B>) -> Begin<Box<Self::Observer>> {
        let entered = |observer: Self::Observer| {
            let mut exchange = Some(observer.boxed());
            PollGuard::enter(&mut exchange, 0).forget();
            exchange.expect("only the guard's drop takes it")
        };
        match self.begin(request) {
            Begin::Observe(observer) => Begin::Observe(entered(observer)),
            Begin::Skip => Begin::Skip,
            Begin::Respond(response, observer) => Begin::Respond(response, observer.map(entered)),
        }
    }

    /// Begins to observe the exchange of a common request; `None` leaves the request to [`begin`](Self::begin).
    ///
    /// Must be inlined, with everything that gets a reference to the request: the request is then handed to the inner
    /// service from where it is, otherwise the compiler copies it once more.
    #[doc(hidden)]
    #[inline(always)]
    fn begin_fast(&self, request: &Request<B>) -> Option<Box<Self::Observer>> {
        let _ = request;
        None
    }
}

impl<B, P: Observe<B>> Observe<B> for &P {
    type Observer = P::Observer;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<P::Observer> {
        (**self).begin(request)
    }

    #[inline]
    fn begin_entered(&self, request: &mut Request<B>) -> Begin<Box<P::Observer>> {
        (**self).begin_entered(request)
    }

    #[inline(always)]
    fn begin_fast(&self, request: &Request<B>) -> Option<Box<P::Observer>> {
        (**self).begin_fast(request)
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Begin<O> {
    /// The inner service is called, and the exchange observed.
    Observe(O),
    /// The inner service is called; the exchange is not observed.
    Skip,
    /// The inner service is not called: this is the response, with an empty body, that the observer sees if there is one.
    Respond(Box<Response<()>>, Option<O>),
}

impl<O: Observer> Begin<Box<O>> {
    /// Makes the beginning of an observer of several layers. `is_vacant` is whether every layer has skipped the request.
    #[doc(hidden)]
    #[inline]
    pub fn of_stack(
        response: Option<Box<Response<()>>>,
        stack: Option<Box<O>>,
        is_vacant: impl FnOnce(&O) -> bool,
    ) -> Self {
        match (response, stack) {
            (Some(response), stack) => Self::Respond(response, stack),
            (None, Some(stack)) if is_vacant(&stack) => {
                stack.recycle();
                Self::Skip
            }
            (None, Some(stack)) => Self::Observe(stack),
            (None, None) => Self::Skip,
        }
    }
}

/// Begins and enters one layer of several. Returns its response if it responds in place of the inner service.
#[doc(hidden)]
#[inline(always)]
pub fn begin_layer<B, P: Observe<B>>(
    layer: &P,
    request: &mut Request<B>,
    observer: &mut Option<P::Observer>,
) -> Option<Box<Response<()>>> {
    let response = match layer.begin(request) {
        Begin::Observe(begun) => {
            *observer = Some(begun);
            None
        }
        Begin::Skip => return None,
        Begin::Respond(response, begun) => {
            *observer = begun;
            Some(response)
        }
    };
    let entering = Entering(observer);
    entering.0.enter();
    let _ = ManuallyDrop::new(entering);
    response
}

/// Drops an observer that panics when it is entered, so that it is not left.
struct Entering<'a, O>(&'a mut Option<O>);

impl<O> Drop for Entering<'_, O> {
    #[inline]
    fn drop(&mut self) {
        *self.0 = None;
    }
}
