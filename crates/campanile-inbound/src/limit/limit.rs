//! The limit and its metrics, shared by all clones of the layer.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_core::{clock::FastInstant, layer_id::LayerId};
use campanile_metrics::{LazyHandle, RecorderHandle};
use metrics::{Counter, Gauge, Label};

use crate::names;

/// An in-flight limit, which can be read and changed while the service runs. A clone is the same limit.
///
/// Never freed, like the series of its metrics: a program creates its limits once.
#[derive(Clone, Copy)]
pub struct Limit(&'static LimitState);

struct LimitState {
    recorder: RecorderHandle,
    name: String,
    limit: AtomicUsize,
    in_use: AtomicUsize,
    saturation: Mutex<Saturation>,
    shed: LazyHandle<Counter>,
    limit_gauge: LazyHandle<Gauge>,
    saturated: LazyHandle<Counter>,
}

/// Since when all slots are taken, and the saturated time that is not counted yet.
#[derive(Default)]
struct Saturation {
    since: Option<FastInstant>,
    uncounted: Duration,
}

impl Limit {
    pub(super) fn new(limit: usize, name: String, recorder: RecorderHandle) -> Self {
        Self(Box::leak(Box::new(LimitState {
            recorder,
            name,
            limit: AtomicUsize::new(limit),
            in_use: AtomicUsize::new(0),
            saturation: Mutex::default(),
            shed: LazyHandle::new(),
            limit_gauge: LazyHandle::new(),
            saturated: LazyHandle::new(),
        })))
    }

    pub(super) fn with_recorder(self, recorder: RecorderHandle) -> Self {
        Self::new(self.get(), self.0.name.clone(), recorder)
    }

    pub(super) fn with_name(self, name: String) -> Self {
        Self::new(self.get(), name, self.0.recorder)
    }

    /// Returns the number of requests that may be in flight at once.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Sets the number of requests that may be in flight at once. Requests in flight continue, also beyond a lower
    /// limit.
    pub fn set(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
        self.0.record_limit();
        self.0.update_saturation();
    }

    /// Returns the number of requests in flight.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.0.in_use.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn layer_id(self) -> LayerId {
        LayerId::of(self.0)
    }

    /// Takes a slot, or counts the request as shed.
    pub(super) fn take(self) -> Option<InFlightSlot> {
        let slot = self.try_take();
        if slot.is_none() {
            self.0.count_shed();
        }
        slot
    }

    /// Takes a slot, if one is free.
    #[inline]
    pub(super) fn try_take(self) -> Option<InFlightSlot> {
        let state = self.0;
        if state.limit_gauge.resolved().is_none() {
            state.record_limit();
        }
        let limit = self.get();
        let take = |in_use: usize| (in_use < limit).then_some(in_use + 1);
        let before = state
            .in_use
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()?;
        // Before a recorder is called, which may panic.
        let slot = InFlightSlot(self);
        if before + 1 >= limit {
            state.update_saturation();
        }
        Some(slot)
    }
}

impl LimitState {
    fn labels(&self) -> Vec<Label> {
        vec![Label::new(names::LIMIT, self.name.clone())]
    }

    #[cold]
    fn record_limit(&self) {
        let gauge: Option<&Gauge> = self.limit_gauge.get(self.recorder, |recorder| {
            names::CONCURRENCY_LIMIT.register(recorder, self.labels())
        });
        if let Some(gauge) = gauge {
            gauge.set(self.limit.load(Ordering::Relaxed) as f64);
        }
    }

    #[cold]
    fn count_shed(&self) {
        self.update_saturation();
        let counter: Option<&Counter> = self.shed.get(self.recorder, |recorder| {
            names::SHED.register(recorder, self.labels())
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Adds the saturated time until now. Reads the slots in use again under the lock, so that the last caller sees the
    /// final state.
    #[cold]
    fn update_saturation(&self) {
        let mut saturation = self.saturation.lock().unwrap_or_else(PoisonError::into_inner);
        let now = FastInstant::now();
        if let Some(since) = saturation.since {
            saturation.uncounted += since.until(now);
        }
        let full = self.in_use.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed);
        saturation.since = full.then_some(now);
        let whole = saturation.uncounted.as_secs();
        if whole == 0 {
            return;
        }
        // First, so that a recorder that panics is not called again when the slot is dropped.
        saturation.uncounted -= Duration::from_secs(whole);
        let counter: Option<&Counter> = self.saturated.get(self.recorder, |recorder| {
            names::SATURATED.register(recorder, self.labels())
        });
        match counter {
            Some(counter) => counter.increment(whole),
            // Until there is a recorder.
            None => saturation.uncounted += Duration::from_secs(whole),
        }
    }
}

/// The slot of one request, returned when dropped.
#[derive(Debug)]
pub(super) struct InFlightSlot(Limit);

impl InFlightSlot {
    #[inline]
    pub(super) fn layer_id(&self) -> LayerId {
        self.0.layer_id()
    }
}

impl Drop for InFlightSlot {
    #[inline]
    fn drop(&mut self) {
        let state = self.0.0;
        let before = state.in_use.fetch_sub(1, Ordering::Relaxed);
        if before >= state.limit.load(Ordering::Relaxed) {
            state.update_saturation();
        }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("limit", &self.get())
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}
