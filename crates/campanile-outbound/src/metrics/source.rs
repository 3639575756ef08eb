//! Where the walk through the sources of an error begins.

use std::{error::Error, fmt};

/// Finds the first error of a chain in what a service or a body fails with.
pub trait ErrorSource<E>: Clone {
    /// Returns the error that the walk begins at.
    fn first<'a>(&self, error: &'a E) -> Option<&'a (dyn Error + 'static)>;
}

/// The walk begins at the error itself. The default.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ErrorItself;

impl<E: Error + 'static> ErrorSource<E> for ErrorItself {
    #[inline]
    fn first<'a>(&self, error: &'a E) -> Option<&'a (dyn Error + 'static)> {
        Some(error)
    }
}

/// The walk begins where a function says. See [`MetricsLayer::with_error_source`](super::MetricsLayer::with_error_source).
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
