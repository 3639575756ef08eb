//! Interned settings.

use std::sync::{Mutex, PoisonError};

/// Settings of one kind, each kept once for the life of the process.
///
/// Services and requests hold a `&'static` reference, so that cloning them touches no reference count. A program has few
/// settings that differ.
pub(crate) struct Interned<T: 'static>(Mutex<Vec<&'static T>>);

impl<T: PartialEq> Interned<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Returns the reference to these settings.
    pub(crate) fn intern(&self, settings: T) -> &'static T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interned) = all.iter().find(|interned| ***interned == settings) {
            return interned;
        }
        let interned: &'static T = Box::leak(Box::new(settings));
        all.push(interned);
        interned
    }
}
