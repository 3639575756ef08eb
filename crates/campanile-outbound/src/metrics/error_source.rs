//! Where the classification of an error begins.

use std::{error::Error, fmt};

use campanile_core::exchange::ErrorHook;

use super::observer::CallObserver;
use crate::{failure, stack::StackObserver};

/// Finds the first error of the chain in what a service or a body fails with.
pub trait ErrorSource<E>: Clone {
    /// Returns the first error of the chain.
    fn first<'a>(&self, error: &'a E) -> Option<&'a (dyn Error + 'static)>;
}

/// The chain begins at the error itself. The default.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ErrorItself;

impl<E: Error + 'static> ErrorSource<E> for ErrorItself {
    #[inline]
    fn first<'a>(&self, error: &'a E) -> Option<&'a (dyn Error + 'static)> {
        Some(error)
    }
}

/// The chain begins where a function says. See [`MetricsLayer::with_error_source`](super::MetricsLayer::with_error_source).
pub struct ErrorSourceFn<E>(pub(super) fn(&E) -> Option<&(dyn Error + 'static)>);

impl<E> Clone for ErrorSourceFn<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorSourceFn<E> {}

impl<E> ErrorSource<E> for ErrorSourceFn<E> {
    #[inline]
    fn first<'a>(&self, error: &'a E) -> Option<&'a (dyn Error + 'static)> {
        (self.0)(error)
    }
}

impl<E> fmt::Debug for ErrorSourceFn<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorSourceFn")
    }
}

/// Classifies errors of the service.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServiceErrors<W>(pub(crate) W);

/// Classifies errors of the response body.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyErrors<V>(pub(crate) V);

impl<E, W: ErrorSource<E>> ErrorHook<E, CallObserver> for ServiceErrors<W> {
    #[inline]
    fn on_error(&self, call: &mut CallObserver, error: &E) {
        let first = self.0.first(error);
        call.fail_with(failure::of_call(first), first);
    }
}

impl<E, V: ErrorSource<E>> ErrorHook<E, CallObserver> for BodyErrors<V> {
    #[inline]
    fn on_error(&self, call: &mut CallObserver, error: &E) {
        let first = self.0.first(error);
        call.fail_with(failure::of_body(first), first);
    }
}

impl<E, W: ErrorSource<E>> ErrorHook<E, StackObserver> for ServiceErrors<W> {
    #[inline]
    fn on_error(&self, stack: &mut StackObserver, error: &E) {
        if let Some(call) = stack.call() {
            self.on_error(call, error);
        }
    }
}

impl<E, V: ErrorSource<E>> ErrorHook<E, StackObserver> for BodyErrors<V> {
    #[inline]
    fn on_error(&self, stack: &mut StackObserver, error: &E) {
        if let Some(call) = stack.call() {
            self.on_error(call, error);
        }
    }
}
