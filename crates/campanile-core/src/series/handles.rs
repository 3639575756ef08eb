//! Handles that are resolved once, and the recorder they are resolved against.

use std::{fmt, sync::OnceLock};

use metrics::{Level, Metadata, Recorder, Unit};

/// The metadata under which campanile's metrics are registered.
pub const METADATA: Metadata<'static> = Metadata::new("campanile", Level::INFO, None);

/// Which recorder the handles come from.
#[derive(Clone, Copy, Default)]
pub enum Source {
    /// The one that the process installed, or will install.
    ///
    /// A recorder whose type has no size cannot be told from none: give it a field, or pass it as [`Self::Own`].
    #[default]
    Global,
    /// A layer's own.
    Own(&'static (dyn Recorder + Sync)),
}

impl Source {
    /// Calls `f` with the recorder, unless there is none yet.
    pub fn with<R>(self, f: impl FnOnce(&dyn Recorder) -> R) -> Option<R> {
        match self {
            Self::Own(recorder) => Some(f(recorder)),
            // Without a recorder the facade hands out its no-op, a type without a size. A handle of that one kept
            // here would stay deaf for ever.
            Self::Global => {
                metrics::with_recorder(|recorder| (size_of_val(recorder) != 0).then(|| f(recorder)))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "Global",
            Self::Own(_) => "Own",
        })
    }
}

/// A handle that is resolved at its first use after there is a recorder, and then is that recorder's for ever.
///
/// That goes for a local recorder, as tests set it, too: a handle first used under one stays with it.
#[derive(Debug)]
pub struct Lazy<T>(OnceLock<T>);

impl<T> Lazy<T> {
    /// Makes an unresolved handle.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Tells whether the handle was not resolved yet.
    #[inline]
    pub fn is_unresolved(&self) -> bool {
        self.0.get().is_none()
    }

    /// Returns the handle if it was resolved.
    #[inline]
    pub fn resolved(&self) -> Option<&T> {
        self.0.get()
    }

    /// Returns the handle, resolving it by `register` if need be; nothing while there is no recorder.
    #[inline]
    pub fn get(&self, source: Source, register: impl FnOnce(&dyn Recorder) -> T) -> Option<&T> {
        match self.0.get() {
            Some(handle) => Some(handle),
            None => self.resolve(source, register),
        }
    }

    #[cold]
    fn resolve(&self, source: Source, register: impl FnOnce(&dyn Recorder) -> T) -> Option<&T> {
        source.with(|recorder| self.0.get_or_init(|| register(recorder)))
    }
}

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// One line of a crate's list of metrics.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric {
    /// The name, as it is recorded.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: Option<Unit>,
    /// What it says, for people.
    pub help: &'static str,
}

/// What a metric is. The facade has no more, so matching may be exhaustive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the facade's")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    /// Makes a line of the list.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, unit: Option<Unit>, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit,
            help,
        }
    }

    /// Tells a recorder the metric's unit and help.
    pub fn describe(&self, recorder: &dyn Recorder) {
        let (name, help) = (self.name.into(), self.help.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, self.unit, help),
            Kind::Gauge => recorder.describe_gauge(name, self.unit, help),
            Kind::Histogram => recorder.describe_histogram(name, self.unit, help),
        }
    }
}
