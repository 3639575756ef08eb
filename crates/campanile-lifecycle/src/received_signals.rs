//! The signals that a service has received.

use std::sync::{Mutex, PoisonError};

/// The names of the received signals, counted, and kept until they are logged.
#[derive(Debug, Default)]
pub(crate) struct ReceivedSignals(Mutex<Received>);

#[derive(Debug, Default)]
struct Received {
    #[cfg(unix)]
    count: u32,
    #[cfg(unix)]
    first: Option<&'static str>,
    unlogged: Vec<&'static str>,
}

impl ReceivedSignals {
    /// Adds a signal; returns how many there are now.
    #[cfg(unix)]
    pub(crate) fn push(&self, name: &'static str) -> u32 {
        self.with(|received| {
            received.count = received.count.saturating_add(1);
            received.first.get_or_insert(name);
            received.unlogged.push(name);
            received.count
        })
    }

    /// Returns how many there are, and the name of the first.
    #[cfg(unix)]
    pub(crate) fn received(&self) -> Option<(u32, &'static str)> {
        self.with(|received| Some((received.count, received.first?)))
    }

    /// Returns the names that were not returned before.
    pub(crate) fn take_unlogged(&self) -> Vec<&'static str> {
        self.with(|received| std::mem::take(&mut received.unlogged))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Received) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
