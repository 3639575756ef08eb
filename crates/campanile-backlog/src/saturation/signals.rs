//! What a saturation is made of.

use std::fmt;

use metrics::{Recorder, SharedString};

use super::SaturationLevel;
use crate::backlog::Backlog;
use crate::metrics::{SaturationHandles, Source};

/// How full a service is, from 0 to 1: the largest of its signals; see the [crate docs](crate).
///
/// Each signal is asked when it is computed, by [`sample`](Self::sample) or by the
/// [monitor](crate::BacklogMonitor::with_saturation) that it is given to.
#[derive(Debug)]
pub struct Saturation {
    source: Option<Source>,
    signals: Vec<Signal>,
    level: SaturationLevel,
    handles: Option<SaturationHandles>,
}

struct Signal {
    name: SharedString,
    ratio: Box<dyn Fn() -> f64 + Send>,
}

impl Saturation {
    /// Creates a saturation without signals, which is 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            source: None,
            signals: Vec::new(),
            level: SaturationLevel::new(),
            handles: None,
        }
    }

    /// Records to `recorder` instead of the monitor's, or the installed one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.source = Some(Source::of(recorder));
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

    /// Adds requests in flight over the limit of concurrency, as the signal `in_flight`. A limit of 0 is none.
    #[must_use]
    pub fn with_in_flight(
        self,
        in_flight: impl Fn() -> usize + Send + 'static,
        limit: impl Fn() -> usize + Send + 'static,
    ) -> Self {
        self.with_signal("in_flight", move || ratio(in_flight(), limit()))
    }

    /// Adds busy workers over all of them, as the signal `workers`.
    #[must_use]
    pub fn with_workers(
        self,
        busy: impl Fn() -> usize + Send + 'static,
        workers: impl Fn() -> usize + Send + 'static,
    ) -> Self {
        self.with_signal("workers", move || ratio(busy(), workers()))
    }

    /// Adds a signal of your own, or replaces the one of this name: a share from 0 to 1. What is beyond is cut, what is no
    /// number is 0.
    #[must_use]
    pub fn with_signal(mut self, name: impl Into<String>, ratio: impl Fn() -> f64 + Send + 'static) -> Self {
        let signal = Signal {
            name: SharedString::from_owned(name.into()),
            ratio: Box::new(ratio),
        };
        match self.signals.iter_mut().find(|known| known.name == signal.name) {
            Some(known) => *known = signal,
            None => self.signals.push(signal),
        }
        self.handles = None;
        self
    }

    /// Returns where the last value can be read.
    #[must_use]
    pub fn level(&self) -> SaturationLevel {
        self.level.clone()
    }

    /// Computes it, records it and returns it.
    pub fn sample(&mut self) -> f64 {
        self.sample_with(Source::default())
    }

    pub(crate) fn sample_with(&mut self, source: Source) -> f64 {
        if self.handles.is_none() {
            let names = self.signals.iter().map(|signal| signal.name.clone());
            let resolve = |recorder: &dyn Recorder| SaturationHandles::resolve(recorder, names);
            self.handles = self.source.unwrap_or(source).resolve(resolve);
        }
        let mut largest = 0.0_f64;
        for (index, signal) in self.signals.iter().enumerate() {
            let share = (signal.ratio)();
            // What is no number is less than nothing to `max`, while `clamp` would keep it.
            let share = share.max(0.0).clamp(0.0, 1.0);
            largest = largest.max(share);
            if let Some(handles) = &self.handles {
                handles.signals[index].set(share);
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

/// Gauges that nobody sets any more must not show what once was.
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
