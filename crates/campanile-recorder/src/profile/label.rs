//! A label of a target, and where its value comes from.

use std::{borrow::Cow, sync::LazyLock};

use metrics::SharedString;

use super::Source;

/// A label of a target, and where its value comes from.
///
/// ```
/// use campanile_recorder::profile::Label;
///
/// const PATH: Label = Label::from_source("path", "http_route");
/// const DATACENTRE: Label = Label::constant("dc", "lon1");
/// const METHOD: Label =
///     Label::from_source("method", "http_request_method").with_mapping(|method| method.to_lowercase().into());
/// const CLASS: Label = Label::computed("class", |source| match source.value("http_response_status_code") {
///     status if status.starts_with('5') => "bad".into(),
///     _ => "good".into(),
/// });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Label {
    pub(super) name: &'static str,
    origin: Origin,
    mapping: Option<Mapping>,
    default: Option<&'static str>,
}

/// Turns a source label's value into the target's.
pub type Mapping = fn(&str) -> Cow<'_, str>;

/// Computes a value from all labels of a source.
pub type Computation = fn(Source<'_>) -> Cow<'_, str>;

#[derive(Debug, Clone, Copy)]
enum Origin {
    Source(&'static str),
    Constant(&'static str),
    Computed(Computation),
    ProcessId,
    HostName,
}

impl Label {
    const fn new(name: &'static str, origin: Origin) -> Self {
        Self {
            name,
            origin,
            mapping: None,
            default: None,
        }
    }

    /// Makes a label with the value of a source label; empty where the source has no such label.
    #[must_use]
    pub const fn from_source(name: &'static str, source: &'static str) -> Self {
        Self::new(name, Origin::Source(source))
    }

    /// Makes a label that always has one value.
    #[must_use]
    pub const fn constant(name: &'static str, value: &'static str) -> Self {
        Self::new(name, Origin::Constant(value))
    }

    /// Makes a label whose value is computed from all labels of the source.
    #[must_use]
    pub const fn computed(name: &'static str, value: Computation) -> Self {
        Self::new(name, Origin::Computed(value))
    }

    /// Makes a label with the number of this process.
    #[must_use]
    pub const fn process_id(name: &'static str) -> Self {
        Self::new(name, Origin::ProcessId)
    }

    /// Makes a label with the name of this host, as the kernel has it; `unknown` where it cannot be read.
    #[must_use]
    pub const fn host_name(name: &'static str) -> Self {
        Self::new(name, Origin::HostName)
    }

    /// Maps values. Empty ones are not mapped where there is a default.
    #[must_use]
    pub const fn with_mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = Some(mapping);
        self
    }

    /// Says what stands in place of a value that is empty or not there.
    #[must_use]
    pub const fn with_default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Returns the source label of which this is a faithful copy, so that two values of it stay two.
    pub(super) fn copied(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Source(source) if self.mapping.is_none() && self.default.is_none() => Some(source),
            _ => None,
        }
    }

    pub(super) fn of(&self, source: Source<'_>) -> metrics::Label {
        metrics::Label::new(self.name, self.value(source))
    }

    fn value(&self, source: Source<'_>) -> SharedString {
        let value = match self.origin {
            Origin::Source(name) => source.value(name).into(),
            Origin::Constant(value) => value.into(),
            Origin::Computed(compute) => compute(source),
            Origin::ProcessId => std::process::id().to_string().into(),
            Origin::HostName => host_name().into(),
        };
        match (self.default, self.mapping) {
            (Some(default), _) if value.is_empty() => SharedString::const_str(default),
            (_, Some(mapping)) => mapping(&value).into_owned().into(),
            (_, None) => value.into_owned().into(),
        }
    }
}

fn host_name() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let read = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        match read.trim() {
            "" => crate::source_names::UNKNOWN.to_owned(),
            name => name.to_owned(),
        }
    });
    &NAME
}
