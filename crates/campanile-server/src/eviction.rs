//! The connections of a listener that can give way to a waiting client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use campanile_core::clock::FastInstant;

use crate::connection::ConnectionState;

/// The silence after which a connection may give way: below it, its first request may be on the way.
const MIN_SILENCE: Duration = Duration::from_secs(1);

/// The connections that one search finds. A search visits all connections, so it must not be made for each client.
const CANDIDATES: usize = 64;

/// The open connections of one listener.
#[derive(Debug, Default)]
pub(crate) struct EvictionRegistry {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    open: HashMap<u64, Arc<ConnectionState>>,
    next_id: u64,
    /// Ids of the longest silent connections at the last search, the longest last.
    candidates: Vec<u64>,
    /// When the next search may find one; `None` if it may at once.
    next_search: Option<Instant>,
}

/// Keeps a connection in its registry until it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<EvictionRegistry>,
    id: u64,
}

impl EvictionRegistry {
    pub(crate) fn register(self: &Arc<Self>, state: Arc<ConnectionState>) -> Registration {
        let mut connections = self.lock();
        let id = connections.next_id;
        connections.next_id += 1;
        connections.open.insert(id, state);
        Registration {
            registry: Arc::clone(self),
            id,
        }
    }

    /// Requests the longest silent connection to close; returns whether there is one. It closes unless its task finds that a
    /// request has begun, or that bytes wait in the kernel.
    pub(crate) fn evict(&self) -> bool {
        let mut connections = self.lock();
        connections.evict_candidate() || {
            connections.search(Instant::now());
            connections.evict_candidate()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    fn evict_candidate(&mut self) -> bool {
        while let Some(id) = self.candidates.pop() {
            if let Some(state) = self.open.get(&id)
                && silence(state, FastInstant::now()).is_some_and(|silence| silence >= MIN_SILENCE)
            {
                state.eviction.request();
                return true;
            }
        }
        false
    }

    fn search(&mut self, now: Instant) {
        if self.next_search.is_some_and(|at| now < at) {
            return;
        }
        // One time for all, since they are compared.
        let clock = FastInstant::now();
        let silence =
            |(id, state): (&u64, &Arc<ConnectionState>)| silence(state, clock).map(|silence| (silence, *id));
        let mut silent: Vec<_> = self.open.iter().filter_map(silence).collect();
        silent.sort_unstable();
        let longest = silent.last().map_or(Duration::ZERO, |(silence, _)| *silence);
        // A connection that is not silent now will not have been silent for long enough earlier.
        self.next_search = (longest < MIN_SILENCE).then(|| now + (MIN_SILENCE - longest));
        let shorter = silent.partition_point(|(silence, _)| *silence < MIN_SILENCE);
        let first = shorter.max(silent.len().saturating_sub(CANDIDATES));
        self.candidates.extend(silent[first..].iter().map(|(_, id)| *id));
    }
}

/// Returns the silence of a connection that may give way, or may later.
fn silence(state: &ConnectionState, now: FastInstant) -> Option<Duration> {
    if state.is_upgraded() || state.eviction.is_requested() {
        return None;
    }
    state.activity.silence(now)
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().open.remove(&self.id);
    }
}
