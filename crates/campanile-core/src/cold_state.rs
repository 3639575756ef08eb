//! State of the slow path: present for few exchanges.

use std::fmt;

/// A boxed value that few exchanges have.
///
/// Type-erased so that the common `None` needs no inlined drop glue at the many places that drop an exchange.
pub struct ColdState<T>(Option<Box<dyn Erased<T>>>);

trait Erased<T>: Send + Sync {
    fn get_mut(&mut self) -> &mut T;
}

impl<T: Send + Sync> Erased<T> for T {
    fn get_mut(&mut self) -> &mut T {
        self
    }
}

impl<T> ColdState<T> {
    /// Makes the common case: no state.
    #[inline]
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Returns whether there is state.
    #[inline]
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the state, if there is any.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut().map(|state| (**state).get_mut())
    }

    /// Takes the state out.
    #[inline]
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self(self.0.take())
    }
}

impl<T: Send + Sync + 'static> ColdState<T> {
    /// Boxes state.
    #[must_use]
    pub fn new(state: T) -> Self {
        Self(Some(Box::new(state)))
    }
}

impl<T> fmt::Debug for ColdState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColdState")
            .field("is_some", &self.is_some())
            .finish_non_exhaustive()
    }
}
