//! Work that takes its context along.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::RequestContext;

pin_project! {
    /// Work that has a [`RequestContext`] as the current one whenever it is polled, and when it is dropped.
    ///
    /// Is a [`Future`], a [`Stream`](futures_core::Stream) or a [`Body`](http_body::Body), like the work that it wraps.
    /// See [`RequestContext::scope`] and [`InRequestExt`](crate::InRequestExt).
    pub struct Scoped<T> {
        context: Option<RequestContext>,
        // An option, so that it can be dropped while the context is current.
        #[pin]
        inner: Option<T>,
    }

    impl<T> PinnedDrop for Scoped<T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _lent = this.context.is_some().then(|| Lent::new(this.context));
            this.inner.set(None);
        }
    }
}

impl<T> Scoped<T> {
    /// Wraps work; without a context the work stays as it is.
    #[inline]
    pub fn new(context: Option<RequestContext>, inner: T) -> Self {
        Self {
            context,
            inner: Some(inner),
        }
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

/// Makes a context current until dropped, and then puts it back, also when the work panics.
struct Lent<'a>(&'a mut Option<RequestContext>);

impl<'a> Lent<'a> {
    #[inline]
    fn new(context: &'a mut Option<RequestContext>) -> Self {
        RequestContext::swap_current(context);
        Self(context)
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        RequestContext::swap_current(self.0);
    }
}
