//! One value for each recorder.

use std::sync::{Mutex, PoisonError};

use crate::RecorderHandle;

/// One value for each recorder, such as its series, made when it is first needed and kept for the life of the process.
pub struct PerRecorder<T: 'static>(Mutex<Vec<(RecorderHandle, &'static T)>>);

impl<T: Sync> PerRecorder<T> {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Finds the value of a recorder, or makes it.
    pub fn get_or_make(&self, recorder: RecorderHandle, make: impl FnOnce() -> T) -> &'static T {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == recorder) {
            return value;
        }
        let value = Box::leak(Box::new(make()));
        values.push((recorder, value));
        value
    }
}

impl<T: Sync> Default for PerRecorder<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for PerRecorder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerRecorder").finish_non_exhaustive()
    }
}
