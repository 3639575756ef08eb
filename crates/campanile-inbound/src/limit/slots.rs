//! The slots: one exact number, shared by all clones.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_core::{
    body::{BodyEnd, OnBodyEnd},
    clock::FastInstant,
    nesting::LayerId,
    series::Lazy,
};
use metrics::{Counter, Gauge, Label};

use crate::{names, series::ServerSeries};

/// A concurrency limit, to be read and changed while the service runs. A clone is the same limit.
///
/// Stays for the life of the process, as the series of its metrics do: a program makes its limits once.
#[derive(Clone, Copy)]
pub struct Limit(&'static Shared);

struct Shared {
    table: &'static ServerSeries,
    name: String,
    limit: AtomicUsize,
    in_use: AtomicUsize,
    saturation: Mutex<Saturation>,
    shed: Lazy<Counter>,
    limit_gauge: Lazy<Gauge>,
    saturated: Lazy<Counter>,
}

/// Since when all slots are taken, and what was not yet counted of earlier times.
#[derive(Default)]
struct Saturation {
    since: Option<FastInstant>,
    carried: Duration,
}

impl Limit {
    pub(super) fn new(limit: usize, name: String, table: &'static ServerSeries) -> Self {
        Self(Box::leak(Box::new(Shared {
            table,
            name,
            limit: AtomicUsize::new(limit),
            in_use: AtomicUsize::new(0),
            saturation: Mutex::default(),
            shed: Lazy::new(),
            limit_gauge: Lazy::new(),
            saturated: Lazy::new(),
        })))
    }

    pub(super) fn with_table(self, table: &'static ServerSeries) -> Self {
        Self::new(self.get(), self.0.name.clone(), table)
    }

    /// Returns how many requests may be in flight at once.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Changes how many requests may be in flight at once. Those that are in flight stay, also above a new limit.
    pub fn set(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
        self.0.show_limit();
        self.0.note_saturation();
    }

    /// Returns how many requests hold a slot.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.0.in_use.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn identity(self) -> LayerId {
        LayerId::of(self.0)
    }

    /// Takes a slot, or counts that there was none.
    #[inline]
    pub(super) fn take(self) -> Option<Slot> {
        let shared = self.0;
        if shared.limit_gauge.is_unresolved() {
            shared.show_limit();
        }
        let limit = self.get();
        let took = shared
            .in_use
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < limit).then_some(n + 1)
            });
        match took {
            Ok(before) => {
                if before + 1 >= limit {
                    shared.note_saturation();
                }
                Some(Slot(self))
            }
            Err(_) => {
                shared.count_shed();
                None
            }
        }
    }
}

impl Shared {
    fn labels(&self) -> Vec<Label> {
        vec![Label::new(names::LIMIT, self.name.clone())]
    }

    #[cold]
    fn show_limit(&self) {
        let gauge = self.limit_gauge.get(self.table.source, |recorder| {
            self.table
                .gauge(recorder, names::CONCURRENCY_LIMIT, self.labels())
        });
        if let Some(gauge) = gauge {
            gauge.set(self.limit.load(Ordering::Relaxed) as f64);
        }
    }

    #[cold]
    fn count_shed(&self) {
        self.note_saturation();
        let counter = self.shed.get(self.table.source, |recorder| {
            self.table.counter(recorder, names::SHED, self.labels())
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Brings the saturated time up to now. Asks the slots again under the lock: whoever comes last is right.
    #[cold]
    fn note_saturation(&self) {
        let mut saturation = self.saturation.lock().unwrap_or_else(PoisonError::into_inner);
        let now = FastInstant::now();
        if let Some(since) = saturation.since {
            saturation.carried += since.until(now);
        }
        let full = self.in_use.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed);
        saturation.since = full.then_some(now);
        let whole = saturation.carried.as_secs();
        if whole > 0
            && let Some(counter) = self.saturated.get(self.table.source, |recorder| {
                self.table.counter(recorder, names::SATURATED, self.labels())
            })
        {
            saturation.carried -= Duration::from_secs(whole);
            counter.increment(whole);
        }
    }
}

/// A slot, given back when dropped.
#[derive(Debug)]
pub struct Slot(Limit);

impl Slot {
    #[inline]
    pub(super) fn identity(&self) -> LayerId {
        self.0.identity()
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        let shared = self.0.0;
        let before = shared.in_use.fetch_sub(1, Ordering::Relaxed);
        if before >= shared.limit.load(Ordering::Relaxed) {
            shared.note_saturation();
        }
    }
}

impl OnBodyEnd for Slot {
    #[inline]
    fn on_body_end(self, _end: BodyEnd<'_>) {}
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("limit", &self.get())
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}
