//! Guards that keep the service from having stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::shared::{Name, Shared};

/// Something in flight. While one is held the stop waits, up to the stop timeout. [`Handle`](crate::Handle) makes it.
///
/// One for each listener that is being emptied, each connection, each upgraded socket and each background task is the
/// right grain. Requests need none of their own: their connection has one, and a word that every request of every
/// core writes to would be the slowest of the whole path.
///
/// Dropping it, by whatever, also in a panic, ends it.
#[must_use = "what is in flight is in flight while the guard lives"]
pub struct Hold {
    shared: Arc<Shared>,
    name: Option<u64>,
}

/// The names of what is in flight and has one.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Register>);

#[derive(Debug, Default)]
struct Register {
    next: u64,
    held: BTreeMap<u64, Name>,
    cut: Vec<Name>,
}

impl Hold {
    pub(crate) fn new(shared: &Arc<Shared>, name: Option<Name>) -> Self {
        shared.in_flight.add();
        Self {
            shared: Arc::clone(shared),
            name: name.map(|name| shared.names.add(name)),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            self.shared.names.remove(name);
        }
        self.shared.in_flight.remove();
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}

impl Names {
    fn add(&self, name: Name) -> u64 {
        self.with(|register| {
            register.next += 1;
            register.held.insert(register.next, name);
            register.next
        })
    }

    fn remove(&self, id: u64) {
        let name = self.with(|register| register.held.remove(&id));
        drop(name);
    }

    /// Notes one that was cut at its own deadline.
    pub(crate) fn cut(&self, name: Name) {
        self.with(|register| register.cut.push(name));
    }

    /// Notes all that is held as cut, and returns it.
    pub(crate) fn cut_all(&self) -> Vec<Name> {
        self.with(|register| {
            let held: Vec<Name> = register.held.values().cloned().collect();
            register.cut.extend(held.iter().cloned());
            held
        })
    }

    pub(crate) fn take_cut(&self) -> Vec<Name> {
        self.with(|register| std::mem::take(&mut register.cut))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Register) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
