//! What is known of the request being served, for whoever is called while it is.

use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::HeaderValue;
use pin_project_lite::pin_project;

use crate::{Deadline, RequestId, in_flight::SeatRef};

/// The request being served: its id, its deadline, its trace and its seat in the table of requests in flight.
///
/// A layer puts it into the request's extensions and around everything that the inner service does, so code below
/// finds it by [`RequestContext::current`] without an argument. Work that leaves the request's own future takes it
/// along with [`Carry`](crate::Carry). Cloning is one reference count.
///
/// ```
/// use campanile_http::{RequestContext, RequestId};
///
/// let context = RequestContext::new(RequestId::generate());
/// let id = context.id().clone();
/// let seen = context.sync_scope(|| RequestContext::current().map(|current| current.id().clone()));
/// assert_eq!(seen, Some(id));
/// assert!(RequestContext::current().is_none());
/// ```
#[derive(Clone)]
pub struct RequestContext(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    id: RequestId,
    deadline: Option<Deadline>,
    traceparent: Option<HeaderValue>,
    seat: Option<SeatRef>,
}

thread_local! {
    static CURRENT: Cell<Option<RequestContext>> = const { Cell::new(None) };
}

impl RequestContext {
    /// Makes a context of an id alone.
    #[must_use]
    pub fn new(id: RequestId) -> Self {
        Self::of_request(id, None, None)
    }

    /// Makes the context of a request that has come, all of it at once: the `with_` functions have to ask each time
    /// whether somebody shares it.
    #[inline]
    #[must_use]
    pub fn of_request(id: RequestId, traceparent: Option<HeaderValue>, seat: Option<SeatRef>) -> Self {
        Self(Arc::new(Inner {
            id,
            deadline: None,
            traceparent,
            seat,
        }))
    }

    /// Sets until when the answer is wanted.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Deadline) -> Self {
        self.inner().deadline = Some(deadline);
        self
    }

    /// Sets the `traceparent` that came with the request.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: HeaderValue) -> Self {
        self.inner().traceparent = Some(traceparent);
        self
    }

    /// Sets the request's seat in the [table of requests in flight](crate::in_flight).
    #[must_use]
    pub fn with_seat(mut self, seat: SeatRef) -> Self {
        self.inner().seat = Some(seat);
        self
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// Returns the id that the request came with or was given.
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// Returns until when the answer is wanted, if anybody said so.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.0.deadline
    }

    /// Returns the `traceparent` that came with the request.
    #[must_use]
    pub fn traceparent(&self) -> Option<&HeaderValue> {
        self.0.traceparent.as_ref()
    }

    /// Returns the request's seat in the [table of requests in flight](crate::in_flight).
    #[must_use]
    pub fn seat(&self) -> Option<SeatRef> {
        self.0.seat
    }

    /// Returns the context of the request that the calling code works for.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::with_current(|current| current.cloned())
    }

    /// Calls `f` with the context of the request that the calling code works for, without cloning it.
    ///
    /// While `f` runs there is no current context: `f` is for a look, not for work.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&Self>) -> R) -> R {
        let looked_at = Entered::new(None);
        f(looked_at.outer.as_ref())
    }

    /// Makes this context the current one until the guard is dropped. Not across an `.await`: see [`Self::scope`].
    #[must_use = "the context is current while the guard lives"]
    pub fn enter(self) -> Entered {
        Entered::new(Some(self))
    }

    /// Calls `f` with this context as the current one.
    pub fn sync_scope<R>(self, f: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        f()
    }

    /// Makes this context the current one whenever `future` is polled, and when it is dropped.
    pub fn scope<F>(self, future: F) -> Scoped<F> {
        Scoped::new(Some(self), future)
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("id", &self.0.id)
            .field("deadline", &self.0.deadline)
            .field("traceparent", &self.0.traceparent)
            .finish_non_exhaustive()
    }
}

/// A guard that keeps a context current on this thread. See [`RequestContext::enter`].
///
/// Guards on one thread are dropped in the reverse order of their making, as variables are.
#[must_use = "the context is current while the guard lives"]
pub struct Entered {
    outer: Option<RequestContext>,
    /// Belongs to this thread's variable, so it must not move to another.
    _not_send: PhantomData<*const ()>,
}

impl Entered {
    #[inline]
    fn new(mut context: Option<RequestContext>) -> Self {
        exchange(&mut context);
        Self {
            outer: context,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        exchange(&mut self.outer);
    }
}

/// Exchanges a context for the current one.
#[inline]
fn exchange(context: &mut Option<RequestContext>) {
    // During a thread's end the variable may be gone; then there is no current context, which is right.
    let _ = CURRENT.try_with(|current| *context = current.replace(context.take()));
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

pin_project! {
    /// Work that sees a [`RequestContext`] as the current one whenever it is polled, and when it is dropped.
    ///
    /// Is a [`Future`], a [`Stream`](futures_core::Stream) or a [`Body`](http_body::Body), as what it wraps is.
    /// See [`RequestContext::scope`] and [`Carry`](crate::Carry).
    pub struct Scoped<T> {
        context: Option<RequestContext>,
        // An option, so that it can be dropped while the context is current.
        #[pin]
        inner: Option<T>,
    }

    impl<T> PinnedDrop for Scoped<T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.context.take().map(RequestContext::enter);
            this.inner.set(None);
        }
    }
}

impl<T> Scoped<T> {
    /// Wraps work that sees `context`; without one it stays as it is.
    pub fn new(context: Option<RequestContext>, inner: T) -> Self {
        Self {
            context,
            inner: Some(inner),
        }
    }

    /// Wraps the work that `make` makes while `context` is current.
    #[inline]
    pub fn begin(context: RequestContext, make: impl FnOnce() -> T) -> Self {
        let mut context = Some(context);
        let lent = Lent::new(&mut context);
        let inner = make();
        drop(lent);
        Self::new(context, inner)
    }

    /// Takes the context out, for what comes after the work; from then on the work stays as it is.
    pub fn take_context(self: Pin<&mut Self>) -> Option<RequestContext> {
        self.project().context.take()
    }

    #[inline]
    pub(crate) fn inner(&self) -> &T {
        self.inner.as_ref().expect("taken only when dropped")
    }

    /// Calls `f` with the wrapped work, and the context as the current one if there is one.
    #[inline]
    pub(crate) fn with<R>(self: Pin<&mut Self>, f: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("taken only when dropped");
        if this.context.is_none() {
            return f(inner);
        }
        let _lent = Lent::new(this.context);
        f(inner)
    }
}

/// Lends a context to the thread and takes it back, also from a poll that panics: the work still has to be dropped
/// in it. In between, its place keeps the outer context, so that polling touches no reference count.
struct Lent<'a>(&'a mut Option<RequestContext>);

impl<'a> Lent<'a> {
    #[inline]
    fn new(context: &'a mut Option<RequestContext>) -> Self {
        exchange(context);
        Self(context)
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        exchange(self.0);
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.with(|future| future.poll(cx))
    }
}

impl<T> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
