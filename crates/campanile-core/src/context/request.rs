//! The context itself, and the one that is current on this thread.

use std::{cell::Cell, fmt, marker::PhantomData, sync::Arc};

use http::HeaderValue;

use super::Scoped;
use crate::{Deadline, RequestId, in_flight::InFlightEntryRef};

/// The request being served: its id, its deadline, its trace and its seat in the table of requests in flight.
///
/// A layer puts it into the request's extensions and around everything that the inner service does, so code below
/// finds it by [`RequestContext::current`] without an argument. Work that leaves the request's own future takes it
/// along with [`InRequestExt`](crate::InRequestExt). Cloning is one reference count.
///
/// ```
/// use campanile_core::{RequestContext, RequestId};
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
    seat: Option<InFlightEntryRef>,
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
    pub fn of_request(
        id: RequestId,
        traceparent: Option<HeaderValue>,
        seat: Option<InFlightEntryRef>,
    ) -> Self {
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
    pub fn with_entry(mut self, seat: InFlightEntryRef) -> Self {
        self.inner().seat = Some(seat);
        self
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// Returns the id that the request came with or was given.
    #[inline]
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// Returns until when the answer is wanted, if anybody said so.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.0.deadline
    }

    /// Returns the `traceparent` that came with the request.
    #[inline]
    #[must_use]
    pub fn traceparent(&self) -> Option<&HeaderValue> {
        self.0.traceparent.as_ref()
    }

    /// Returns the request's seat in the [table of requests in flight](crate::in_flight).
    #[inline]
    #[must_use]
    pub fn seat(&self) -> Option<InFlightEntryRef> {
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

    /// Returns the seat of the request that the calling code works for.
    #[inline]
    #[must_use]
    pub fn current_entry() -> Option<InFlightEntryRef> {
        let look = |current: &Cell<Option<Self>>| {
            let context = current.take();
            let seat = context.as_ref().and_then(Self::seat);
            current.set(context);
            seat
        };
        CURRENT.try_with(look).ok().flatten()
    }

    /// Makes this context the current one until the guard is dropped. Not across an `.await`: see [`Self::scope`].
    #[inline]
    #[must_use = "the context is current while the guard lives"]
    pub fn enter(self) -> Entered {
        Entered::new(Some(self))
    }

    /// Makes a context the current one until the guard is dropped, and then puts it back where it was: unlike
    /// [`Self::enter`], without touching a reference count.
    ///
    /// Meanwhile its place keeps the outer context. Not across an `.await`: see [`Self::scope`].
    #[inline]
    #[must_use = "the context is current while the guard lives"]
    pub fn lend(place: &mut Option<Self>) -> Lent<'_> {
        exchange(place);
        Lent {
            place,
            _not_send: PhantomData,
        }
    }

    /// Calls `f` with this context as the current one.
    #[inline]
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

/// A guard that keeps a context current on this thread, and gives it back. See [`RequestContext::lend`].
///
/// Guards on one thread are dropped in the reverse order of their making, as variables are.
#[must_use = "the context is current while the guard lives"]
pub struct Lent<'a> {
    place: &'a mut Option<RequestContext>,
    /// Belongs to this thread's variable, so it must not move to another.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        // Also from a poll that panics: the work still has to be dropped in its context.
        exchange(self.place);
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}
