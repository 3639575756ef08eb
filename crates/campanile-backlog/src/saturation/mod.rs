//! One number for how full a service is, from 0 to 1.
//!
//! ```
//! use campanile_backlog::{BacklogMonitor, Saturation, SaturationGate};
//!
//! # fn in_flight() -> usize { 410 }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let saturation = Saturation::new()
//!     .with_in_flight(in_flight, || 512)
//!     .with_workers(|| 3, || 8);
//! let level = saturation.level();
//! let gate = SaturationGate::new(level.clone()).with_thresholds(0.95, 0.70)?;
//!
//! let mut monitor = BacklogMonitor::new().with_saturation(saturation);
//! monitor.sample(); // or `run`
//! assert_eq!(level.ratio(), 410.0 / 512.0);
//! assert!(gate.check().is_ok());
//! # Ok(()) }
//! ```

mod gate;
mod level;

use std::fmt;

use campanile_metrics::RecorderHandle;
use metrics::SharedString;

pub use self::gate::{InvalidThresholds, Saturated, SaturationGate};
pub use self::level::SaturationLevel;
use crate::backlog::Backlog;
use crate::caught_closure::CaughtClosure;
use crate::metrics::SaturationHandles;

/// How full a service is, from 0 to 1: the largest of its signals; see the [crate docs](crate).
///
/// The signals are read whenever it is computed, by [`sample`](Self::sample) or by the
/// [monitor](crate::BacklogMonitor::with_saturation) that owns it.
#[derive(Debug)]
pub struct Saturation {
    recorder: Option<RecorderHandle>,
    signals: Vec<Signal>,
    level: SaturationLevel,
    handles: Option<SaturationHandles>,
}

struct Signal {
    name: SharedString,
    ratio: CaughtClosure<f64>,
}

impl Saturation {
    /// Creates a saturation without signals, which is 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            recorder: None,
            signals: Vec::new(),
            level: SaturationLevel::new(),
            handles: None,
        }
    }

    /// Records to `recorder` instead of the monitor's or the global one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.recorder = Some(recorder.into());
        self.handles = None;
        self
    }

    /// Adds the fullest of these accept queues, as the signal `backlog`.
    #[must_use]
    pub fn with_backlogs(self, backlogs: impl IntoIterator<Item = Backlog>) -> Self {
        let backlogs: Vec<Backlog> = backlogs.into_iter().collect();
        self.with_signal("backlog", move || {
            let ratios = backlogs
                .iter()
                .map(|backlog| ratio(backlog.pending() as usize, backlog.limit() as usize));
            ratios.fold(0.0, f64::max)
        })
    }

    /// Adds requests in flight over their limit, as the signal `in_flight`. A limit of 0 means no limit.
    #[must_use]
    pub fn with_in_flight(
        self,
        in_flight: impl Fn() -> usize + Send + 'static,
        limit: impl Fn() -> usize + Send + 'static,
    ) -> Self {
        self.with_signal("in_flight", move || ratio(in_flight(), limit()))
    }

    /// Adds busy workers over all workers, as the signal `workers`.
    #[must_use]
    pub fn with_workers(
        self,
        busy: impl Fn() -> usize + Send + 'static,
        workers: impl Fn() -> usize + Send + 'static,
    ) -> Self {
        self.with_signal("workers", move || ratio(busy(), workers()))
    }

    /// Adds a signal of your own, or replaces the one of this name: a ratio from 0 to 1. Values outside are clamped, and
    /// NaN counts as 0. If it panics, its last value stands.
    #[must_use]
    pub fn with_signal(mut self, name: impl Into<String>, ratio: impl Fn() -> f64 + Send + 'static) -> Self {
        let name = SharedString::from_owned(name.into());
        let closure = format!("saturation:{name}");
        let signal = Signal {
            name,
            ratio: CaughtClosure::new(closure, 0.0, ratio),
        };
        match self.signals.iter_mut().find(|known| known.name == signal.name) {
            Some(known) => *known = signal,
            None => self.signals.push(signal),
        }
        self.handles = None;
        self
    }

    /// Returns a handle that reads the last value.
    #[must_use]
    pub fn level(&self) -> SaturationLevel {
        self.level.clone()
    }

    /// Computes, records and returns the saturation.
    pub fn sample(&mut self) -> f64 {
        self.sample_with(RecorderHandle::global())
    }

    pub(crate) fn sample_with(&mut self, recorder: RecorderHandle) -> f64 {
        if self.handles.is_none() {
            let names: Vec<_> = self.signals.iter().map(|signal| signal.name.clone()).collect();
            let recorder = self.recorder.unwrap_or(recorder);
            self.handles = recorder.with(|recorder| SaturationHandles::register(recorder, names.into_iter()));
        }
        let mut largest = 0.0_f64;
        let recorder = self.recorder.unwrap_or(recorder);
        for (index, signal) in self.signals.iter_mut().enumerate() {
            // `max` replaces NaN, which `clamp` would keep.
            let ratio = signal.ratio.call(recorder).max(0.0).clamp(0.0, 1.0);
            largest = largest.max(ratio);
            if let Some(handles) = &self.handles {
                handles.signals[index].set(ratio);
            }
        }
        if let Some(handles) = &self.handles {
            handles.ratio.set(largest);
        }
        self.level.set(largest);
        largest
    }
}

impl Default for Saturation {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets the gauges to 0, since they are no longer updated.
impl Drop for Saturation {
    fn drop(&mut self) {
        if let Some(handles) = &self.handles {
            handles.ratio.set(0.0);
            handles.signals.iter().for_each(|signal| signal.set(0.0));
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn ratio(used: usize, limit: usize) -> f64 {
    if limit == 0 {
        return 0.0;
    }
    used as f64 / limit as f64
}
