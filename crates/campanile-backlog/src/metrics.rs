//! Handles of the metrics, and when they may be kept.

use std::fmt;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString};

use crate::names::{self, Name};

const METADATA: Metadata<'static> = Metadata::new("campanile_backlog", Level::INFO, Some(module_path!()));

/// The recorder to record to: one's own, or the installed one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Source(Option<&'static (dyn Recorder + Sync)>);

/// One listener's handles.
#[derive(Debug)]
pub(crate) struct ListenerHandles {
    pub(crate) pending: Gauge,
    pub(crate) limit: Gauge,
    /// Only where the kernel counts them.
    pub(crate) overflows: Option<Counter>,
    pub(crate) samples: Counter,
    pub(crate) errors: Counter,
}

/// The handles of what is counted for all listeners of the namespace.
#[derive(Debug)]
pub(crate) struct NamespaceHandles {
    pub(crate) overflows: Counter,
    pub(crate) drops: Counter,
}

/// The handles of a saturation.
#[derive(Debug)]
pub(crate) struct SaturationHandles {
    pub(crate) ratio: Gauge,
    pub(crate) signals: Vec<Gauge>,
}

impl Source {
    pub(crate) fn of(recorder: &'static (dyn Recorder + Sync)) -> Self {
        Self(Some(recorder))
    }

    /// Resolves handles, if there is a recorder to keep them of.
    pub(crate) fn resolve<T>(self, resolve: impl FnOnce(&dyn Recorder) -> T) -> Option<T> {
        match self.0 {
            Some(recorder) => Some(resolve(recorder)),
            // The facade's no-op recorder cannot be asked for, but it has no size; its handles would stay deaf for ever.
            None => {
                metrics::with_recorder(|recorder| (size_of_val(recorder) != 0).then(|| resolve(recorder)))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.0.is_some()).finish()
    }
}

impl ListenerHandles {
    pub(crate) fn resolve(recorder: &dyn Recorder, label: &SharedString, counts_overflows: bool) -> Self {
        names::describe(&names::OF_MONITOR, recorder);
        let gauge = |name| recorder.register_gauge(&listener_key(name, label), &METADATA);
        let counter = |name| recorder.register_counter(&listener_key(name, label), &METADATA);
        Self {
            pending: gauge(&names::PENDING),
            limit: gauge(&names::LIMIT),
            overflows: counts_overflows.then(|| counter(&names::OVERFLOWS)),
            samples: counter(&names::SAMPLES),
            errors: counter(&names::ERRORS),
        }
    }
}

impl NamespaceHandles {
    pub(crate) fn resolve(recorder: &dyn Recorder) -> Self {
        names::describe(&names::OF_MONITOR, recorder);
        let counter = |name: &Name| recorder.register_counter(&Key::from_static_name(name.name), &METADATA);
        Self {
            overflows: counter(&names::NAMESPACE_OVERFLOWS),
            drops: counter(&names::NAMESPACE_DROPS),
        }
    }
}

impl SaturationHandles {
    pub(crate) fn resolve(recorder: &dyn Recorder, signals: impl Iterator<Item = SharedString>) -> Self {
        names::describe(&names::OF_SATURATION, recorder);
        let gauge = |signal| {
            let labels = vec![Label::new(names::SIGNAL, signal)];
            recorder.register_gauge(&Key::from_parts(names::SATURATION_SIGNAL.name, labels), &METADATA)
        };
        Self {
            ratio: recorder.register_gauge(&Key::from_static_name(names::SATURATION.name), &METADATA),
            signals: signals.map(gauge).collect(),
        }
    }
}

/// Resolves the histogram of one listener's waiting times.
pub(crate) fn wait_histogram(recorder: &dyn Recorder, label: &SharedString) -> Histogram {
    names::describe(&names::OF_WAIT, recorder);
    recorder.register_histogram(&listener_key(&names::WAIT, label), &METADATA)
}

fn listener_key(name: &Name, label: &SharedString) -> Key {
    Key::from_parts(name.name, vec![Label::new(names::LISTENER, label.clone())])
}
