//! A label of a target, and the labels of a source.

use std::{borrow::Cow, sync::LazyLock};

use metrics::{Key, SharedString};

use crate::source_names::UNKNOWN;

/// A label of a target and the origin of its value.
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
    origin: LabelOrigin,
    mapping: Option<Mapping>,
    default: Option<&'static str>,
}

/// Maps the value of a source label to that of the target.
pub type Mapping = fn(&str) -> Cow<'_, str>;

/// Computes a value from all labels of a source.
pub type Computation = fn(SourceLabels<'_>) -> Cow<'_, str>;

/// The labels of a source series, as conditions and computed labels see them.
#[derive(Debug, Clone, Copy)]
pub struct SourceLabels<'a>(&'a Key);

impl<'a> SourceLabels<'a> {
    pub(super) const fn new(key: &'a Key) -> Self {
        Self(key)
    }

    /// Returns the value of a label, or `None` if the series does not have it.
    #[must_use]
    pub fn label(self, name: &str) -> Option<&'a str> {
        let label = self.0.labels().find(|label| label.key() == name);
        label.map(metrics::Label::value)
    }

    /// Returns the value of a label, empty if the series does not have it.
    #[must_use]
    pub fn value(self, name: &str) -> &'a str {
        self.label(name).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy)]
enum LabelOrigin {
    Source(&'static str),
    Constant(&'static str),
    Computed(Computation),
    ProcessId,
    HostName,
}

impl Label {
    const fn new(name: &'static str, origin: LabelOrigin) -> Self {
        Self {
            name,
            origin,
            mapping: None,
            default: None,
        }
    }

    /// Creates a label with the value of a source label, empty if the source does not have it.
    #[must_use]
    pub const fn from_source(name: &'static str, source: &'static str) -> Self {
        Self::new(name, LabelOrigin::Source(source))
    }

    /// Creates a label with a constant value.
    #[must_use]
    pub const fn constant(name: &'static str, value: &'static str) -> Self {
        Self::new(name, LabelOrigin::Constant(value))
    }

    /// Creates a label whose value is computed from all labels of the source.
    #[must_use]
    pub const fn computed(name: &'static str, value: Computation) -> Self {
        Self::new(name, LabelOrigin::Computed(value))
    }

    /// Creates a label with the ID of this process.
    #[must_use]
    pub const fn process_id(name: &'static str) -> Self {
        Self::new(name, LabelOrigin::ProcessId)
    }

    /// Creates a label with the name of this host as reported by the kernel, `unknown` if it cannot be read.
    #[must_use]
    pub const fn host_name(name: &'static str) -> Self {
        Self::new(name, LabelOrigin::HostName)
    }

    /// Sets a mapping of values. With a default, empty values are not mapped.
    #[must_use]
    pub const fn with_mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = Some(mapping);
        self
    }

    /// Sets the value to use if it is empty or missing.
    #[must_use]
    pub const fn with_default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Returns the source label that this label copies unchanged, so that distinct values stay distinct.
    pub(super) fn copied_label(&self) -> Option<&'static str> {
        match self.origin {
            LabelOrigin::Source(source) if self.mapping.is_none() && self.default.is_none() => Some(source),
            _ => None,
        }
    }

    pub(super) fn for_source(&self, source: SourceLabels<'_>) -> metrics::Label {
        metrics::Label::new(self.name, self.value(source))
    }

    fn value(&self, source: SourceLabels<'_>) -> SharedString {
        let value = match self.origin {
            LabelOrigin::Source(name) => source.value(name).into(),
            LabelOrigin::Constant(value) => value.into(),
            LabelOrigin::Computed(compute) => compute(source),
            LabelOrigin::ProcessId => std::process::id().to_string().into(),
            LabelOrigin::HostName => host_name().into(),
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
            "" => UNKNOWN.to_owned(),
            name => name.to_owned(),
        }
    });
    &NAME
}
