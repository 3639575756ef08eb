//! With which labels a call is counted, and whether it stands in the gauge.

use campanile_core::series::Source;

use super::{options::Options, table::HostBlock, view::ViewBlock};

/// How a call is counted. One byte, of which most calls compare one value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// With the labels that are usual, and it stands in the gauge.
    Usual,
    /// It does not stand in the gauge: there was no recorder when it began.
    NotActive,
    /// With labels of method, status and error.
    Labelled { is_active: bool },
}

impl Counted {
    /// Raises the gauge.
    #[inline]
    pub(super) fn begin(
        source: Source,
        options: Option<&Options>,
        host: &'static HostBlock,
        method: u8,
    ) -> Self {
        if options.is_some_and(|options| options.status_labels) {
            return Self::begin_labelled(source, host, method);
        }
        Self::begin_usual(source, host)
    }

    /// Raises the gauge of a call without further labels.
    #[inline]
    pub(super) fn begin_usual(source: Source, host: &'static HostBlock) -> Self {
        match host.active(source) {
            Some(active) => {
                active.increment(1.0);
                Self::Usual
            }
            None => Self::NotActive,
        }
    }

    #[inline(never)]
    fn begin_labelled(source: Source, host: &'static HostBlock, method: u8) -> Self {
        let active = host.active_by_method(source, method);
        if let Some(active) = active {
            active.increment(1.0);
        }
        Self::Labelled {
            is_active: active.is_some(),
        }
    }

    /// Lowers the gauge and counts a call that is not the usual one, by its method, its status, zero without a head,
    /// and the type of its error.
    #[inline(never)]
    pub(super) fn end_apart(
        self,
        source: Source,
        (host, view): (&'static HostBlock, &'static ViewBlock),
        (method, status, error): (u8, u16, &'static str),
    ) {
        let Self::Labelled { is_active } = self else {
            return view.count(source);
        };
        if is_active && let Some(active) = host.active_by_method(source, method) {
            active.decrement(1.0);
        }
        view.count_labelled(source, method, status, error);
    }
}
