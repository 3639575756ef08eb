//! Passes errors to an observer that needs their type.

/// Passes an error of the inner service or of its body to an observer, before the exchange ends.
///
/// For observers that classify errors: `E` is known where the future or the body is polled, not where the observer is
/// made. `()` passes none on.
pub trait ErrorHook<E, O> {
    /// Shows an error to the observer.
    fn on_error(&self, observer: &mut O, error: &E);
}

impl<E, O> ErrorHook<E, O> for () {
    #[inline]
    fn on_error(&self, _observer: &mut O, _error: &E) {}
}
