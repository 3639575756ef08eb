//! Settings that stay.

use std::sync::{Mutex, PoisonError};

/// The settings of one kind that were kept.
pub(crate) type Kept<T> = Mutex<Vec<&'static T>>;

/// Finds or keeps settings like these, for the life of the process: what refers to them is copied with each service and
/// each request, and touches no reference count. A program has few that differ.
pub(crate) fn keep<T: PartialEq>(all: &Kept<T>, settings: T) -> &'static T {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = all.iter().find(|kept| ***kept == settings) {
        return kept;
    }
    let kept: &'static T = Box::leak(Box::new(settings));
    all.push(kept);
    kept
}
