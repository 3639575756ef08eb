//! Handles of one listener's metrics, and when they may be kept.

use std::fmt;
use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};

use crate::ListenerLabel;
use crate::control::CloseReason;
use crate::names::{self, Kind, Name};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The recorder of one listener: its own or the global one, and the handles resolved from it.
pub(crate) struct Source {
    own: Option<&'static (dyn Recorder + Sync)>,
    resolved: OnceLock<Arc<Handles>>,
}

/// One listener's handles.
#[derive(Debug)]
pub(crate) struct Handles {
    pub(crate) open: Gauge,
    pub(crate) upgraded: Gauge,
    closed: [Counter; CloseReason::ALL.len()],
}

impl Source {
    pub(crate) fn new(own: Option<&'static (dyn Recorder + Sync)>) -> Self {
        Self {
            own,
            resolved: OnceLock::new(),
        }
    }

    pub(crate) fn own(&self) -> Option<&'static (dyn Recorder + Sync)> {
        self.own
    }

    /// Returns the handles, keeping them once there is a recorder to resolve them from.
    pub(crate) fn handles(&self, label: &ListenerLabel, limit: Option<usize>) -> Arc<Handles> {
        if let Some(handles) = self.resolved.get() {
            return Arc::clone(handles);
        }
        self.with_recorder(|recorder| {
            let resolve = || Arc::new(Handles::resolve(recorder, label, limit));
            // The facade's no-op recorder cannot be asked for, but it has no size. A real recorder without
            // size is resolved anew each time, which is slow and right.
            if size_of_val(recorder) == 0 {
                return resolve();
            }
            Arc::clone(self.resolved.get_or_init(resolve))
        })
    }

    /// Counts a failed accept. Not resolved ahead: most of these series never come to be.
    pub(crate) fn accept_failed(&self, label: &ListenerLabel, error: &'static str) {
        let key = key(
            &names::ACCEPT_ERRORS,
            label,
            Some(Label::from_static_parts(names::ERROR, error)),
        );
        self.with_recorder(|recorder| recorder.register_counter(&key, &METADATA).increment(1));
    }

    fn with_recorder<T>(&self, f: impl FnOnce(&dyn Recorder) -> T) -> T {
        match self.own {
            Some(recorder) => f(recorder),
            None => metrics::with_recorder(f),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("own", &self.own.is_some())
            .field("resolved", &self.resolved.get().is_some())
            .finish()
    }
}

impl Handles {
    fn resolve(recorder: &dyn Recorder, label: &ListenerLabel, limit: Option<usize>) -> Self {
        describe(recorder);
        let gauge = |key: Key| recorder.register_gauge(&key, &METADATA);
        if let Some(limit) = limit {
            gauge(key(&names::CONNECTION_LIMIT, label, None)).set(limit as f64);
        }
        Self {
            open: gauge(key(&names::OPEN_CONNECTIONS, label, None)),
            upgraded: gauge(Key::from_static_name(names::UPGRADED_CONNECTIONS.name)),
            closed: CloseReason::ALL.map(|reason| {
                let close = Label::from_static_parts(names::CLOSE, reason.as_str());
                recorder.register_counter(&key(&names::CONNECTIONS, label, Some(close)), &METADATA)
            }),
        }
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> &Counter {
        &self.closed[reason as usize]
    }
}

fn key(name: &Name, label: &ListenerLabel, second: Option<Label>) -> Key {
    let mut labels = vec![Label::new(names::LISTENER, label.shared())];
    labels.extend(second);
    // There are recorders that render labels in the order of the key.
    labels.sort_unstable();
    Key::from_parts(name.name, labels)
}

fn describe(recorder: &dyn Recorder) {
    for Name {
        name,
        kind,
        unit,
        help,
    } in names::ALL
    {
        let (name, unit) = ((*name).into(), Some(*unit));
        match kind {
            Kind::Counter => recorder.describe_counter(name, unit, (*help).into()),
            Kind::Gauge => recorder.describe_gauge(name, unit, (*help).into()),
        }
    }
}
