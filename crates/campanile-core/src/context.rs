//! The context of the request being served, and the one that is current on this thread.

use std::{cell::Cell, fmt, marker::PhantomData};

use http::HeaderValue;

use crate::{Deadline, RequestId, Scoped, box_pool::BoxPool, in_flight::InFlightEntryRef};

/// The request being served: its id, its deadline, its trace and its entry in the table of requests in flight.
///
/// The request ID layer makes the context current around every run of the inner service and of the response body, so
/// that code below finds it by [`RequestContext::current`] without an argument. Work that leaves the request's own future
/// takes the context along with [`InRequestExt`](crate::InRequestExt). A clone copies no text.
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
pub struct RequestContext(Box<State>);

struct State {
    id: RequestId,
    deadline: Option<Deadline>,
    traceparent: Option<HeaderValue>,
    entry: Option<InFlightEntryRef>,
    /// The header value that the layer found; `None` for a context that a program made, and for clones.
    incoming: Option<IncomingValue>,
}

/// Identifies the header value of a request by its address: a nested layer sees the same value again, and a request that a
/// handler makes in its own process has another one, or none.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncomingValue {
    address: usize,
    len: usize,
}

impl IncomingValue {
    /// Identifies a header value; `None` if the request has none.
    #[inline]
    #[must_use]
    pub fn of(value: Option<&HeaderValue>) -> Self {
        let bytes = value.map_or(&[][..], HeaderValue::as_bytes);
        Self {
            address: if value.is_some() { bytes.as_ptr().addr() } else { 0 },
            len: bytes.len(),
        }
    }
}

impl State {
    const VACANT: Self = Self {
        id: RequestId::VACANT,
        deadline: None,
        traceparent: None,
        entry: None,
        incoming: None,
    };
}

thread_local! {
    static CURRENT: Cell<Option<RequestContext>> = const { Cell::new(None) };
    static POOL: BoxPool<State> = const { BoxPool::new() };
}

impl RequestContext {
    /// Makes a context with an id alone.
    #[must_use]
    pub fn new(id: RequestId) -> Self {
        Self::filled(State { id, ..State::VACANT })
    }

    /// Makes the context of a request that a layer begins.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn of_request(
        id: RequestId,
        traceparent: Option<HeaderValue>,
        entry: Option<InFlightEntryRef>,
        incoming: IncomingValue,
    ) -> Self {
        let Some(mut state) = BoxPool::take(&POOL) else {
            let state = State {
                traceparent,
                entry,
                incoming: Some(incoming),
                ..State::VACANT
            };
            return Self(Box::new(State { id, ..state }));
        };
        // Field by field: as a whole the state would be copied, and its old value dropped.
        state.id = id;
        if traceparent.is_some() {
            state.traceparent = traceparent;
        }
        state.entry = entry;
        state.incoming = Some(incoming);
        Self(state)
    }

    #[inline]
    fn filled(state: State) -> Self {
        Self(BoxPool::fill(&POOL, state))
    }

    /// Drops the context and returns its box to the thread's pool.
    #[doc(hidden)]
    #[inline]
    pub fn recycle(mut self) {
        self.0.id = RequestId::VACANT;
        self.0.deadline = None;
        if self.0.traceparent.is_some() {
            self.0.traceparent = None;
        }
        self.0.entry = None;
        self.0.incoming = None;
        BoxPool::recycle(&POOL, self.0);
    }

    /// Sets the moment after which the response is of no use.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Deadline) -> Self {
        self.0.deadline = Some(deadline);
        self
    }

    /// Sets the `traceparent` that the request carried.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: HeaderValue) -> Self {
        self.0.traceparent = Some(traceparent);
        self
    }

    /// Sets the request's entry in the [table of requests in flight](crate::in_flight).
    #[must_use]
    pub fn with_entry(mut self, entry: InFlightEntryRef) -> Self {
        self.0.entry = Some(entry);
        self
    }

    /// Returns the id that the request carried or was given.
    #[inline]
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// Returns the moment after which the response is of no use, if there is one.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.0.deadline
    }

    /// Returns the `traceparent` that the request carried.
    #[inline]
    #[must_use]
    pub fn traceparent(&self) -> Option<&HeaderValue> {
        self.0.traceparent.as_ref()
    }

    /// Returns the request's entry in the [table of requests in flight](crate::in_flight).
    #[inline]
    #[must_use]
    pub fn entry(&self) -> Option<InFlightEntryRef> {
        self.0.entry
    }

    /// Returns whether a layer made this context for a request with this header value.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn began_with(&self, incoming: IncomingValue) -> bool {
        self.0.incoming == Some(incoming)
    }

    /// Returns the context of the request that the calling code works for.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::with_current(|current| current.cloned())
    }

    /// Calls `f` with the context of the request that the calling code works for, without cloning it.
    ///
    /// While `f` runs there is no current context: `f` reads, it does not work for the request.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&Self>) -> R) -> R {
        let guard = Entered::new(None);
        f(guard.outer.as_ref())
    }

    /// Exchanges a deadline for that of the current context, if there is one. Returns whether there is.
    #[doc(hidden)]
    pub fn swap_current_deadline(deadline: &mut Option<Deadline>) -> bool {
        let mut guard = Entered::new(None);
        let Some(current) = &mut guard.outer else {
            return false;
        };
        std::mem::swap(&mut current.0.deadline, deadline);
        true
    }

    /// Returns the entry of the request that the calling code works for.
    #[inline]
    #[must_use]
    pub fn current_entry() -> Option<InFlightEntryRef> {
        Self::peek_current(Self::entry).flatten()
    }

    /// Reads the current context. Cheaper than [`Self::with_current`]; `read` must not panic, or the context is lost.
    #[doc(hidden)]
    #[inline]
    pub fn peek_current<R>(read: impl FnOnce(&Self) -> R) -> Option<R> {
        let peek = |current: &Cell<Option<Self>>| {
            let context = current.take();
            let found = context.as_ref().map(read);
            current.set(context);
            found
        };
        CURRENT.try_with(peek).ok().flatten()
    }

    /// Makes this context the current one until the guard is dropped. Not across an `.await`: see [`Self::scope`].
    #[inline]
    #[must_use = "the context is current while the guard lives"]
    pub fn enter(self) -> Entered {
        Entered::new(Some(self))
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

    /// Exchanges a context for the current one.
    #[doc(hidden)]
    #[inline]
    pub fn swap_current(context: &mut Option<Self>) {
        // While a thread ends the variable may be gone; then there is no current context.
        let _ = CURRENT.try_with(|current| *context = current.replace(context.take()));
    }
}

impl Clone for RequestContext {
    fn clone(&self) -> Self {
        Self::filled(State {
            id: self.0.id.clone(),
            deadline: self.0.deadline,
            traceparent: self.0.traceparent.clone(),
            entry: self.0.entry,
            incoming: None,
        })
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
    /// Belongs to this thread's variable, so it must not move to another thread.
    _not_send: PhantomData<*const ()>,
}

impl Entered {
    #[inline]
    fn new(mut context: Option<RequestContext>) -> Self {
        RequestContext::swap_current(&mut context);
        Self {
            outer: context,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        RequestContext::swap_current(&mut self.outer);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}
