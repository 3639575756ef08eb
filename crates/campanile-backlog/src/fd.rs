//! What can be watched: whatever has a descriptor, where there are any.

#[cfg(unix)]
pub use std::os::fd::AsFd;

/// Stands in for the trait of the same name where there are no descriptors.
#[cfg(not(unix))]
pub trait AsFd {}

#[cfg(not(unix))]
impl<T: ?Sized> AsFd for T {}
