//! What few requests have.
//!
//! A value of a type that its holder's compiler does not know: where it is nothing, no code to drop it stands in the way
//! of all the others. Together with [`spares`](crate::spares) it keeps what moves on the request path a pointer.
//!
//! ```
//! use campanile_core::seldom::Seldom;
//!
//! let mut path = Seldom::new(String::from("/orders.Orders/Get"));
//! assert_eq!(path.get_mut().map(std::mem::take).as_deref(), Some("/orders.Orders/Get"));
//! assert!(path.is_some());
//! assert!(Seldom::<String>::nothing().get_mut().is_none());
//! ```

use std::fmt;

/// A value, seldom.
pub struct Seldom<T>(Option<Box<dyn Held<T>>>);

trait Held<T>: Send + Sync {
    fn get_mut(&mut self) -> &mut T;
}

impl<T: Send + Sync> Held<T> for T {
    fn get_mut(&mut self) -> &mut T {
        self
    }
}

impl<T> Seldom<T> {
    /// Makes the usual: nothing.
    #[inline]
    #[must_use]
    pub const fn nothing() -> Self {
        Self(None)
    }

    /// Tells whether there is a value.
    #[inline]
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the value, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut().map(|held| (**held).get_mut())
    }

    /// Takes the value out, if there is one.
    #[inline]
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self(self.0.take())
    }
}

impl<T: Send + Sync + 'static> Seldom<T> {
    /// Keeps a value, in a box.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Some(Box::new(value)))
    }
}

impl<T> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seldom")
            .field("is_some", &self.is_some())
            .finish_non_exhaustive()
    }
}
