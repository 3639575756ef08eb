//! Which labels a call is counted with.

use campanile_metrics::RecorderHandle;

use super::{options::Options, table::HostSeries, view::ViewSeries};

/// Which labels a call is counted with, and whether the gauge counts it. One byte, compared once on the fast path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelMode {
    /// Host and view; the gauge counts the call.
    Plain,
    /// Host and view; the gauge does not count the call, since there was no recorder when it began.
    PlainInactive,
    /// Method, status and error type too.
    WithStatus { is_active: bool },
}

impl LabelMode {
    /// Raises the gauge.
    #[inline]
    pub(super) fn begin(
        recorder: RecorderHandle,
        options: Option<&Options>,
        host: &'static HostSeries,
        method: u8,
    ) -> Self {
        if options.is_some_and(|options| options.status_labels) {
            return Self::begin_with_status(recorder, host, method);
        }
        Self::begin_plain(recorder, host)
    }

    #[inline]
    pub(super) fn begin_plain(recorder: RecorderHandle, host: &'static HostSeries) -> Self {
        match host.active(recorder) {
            Some(active) => {
                active.increment(1.0);
                Self::Plain
            }
            None => Self::PlainInactive,
        }
    }

    #[inline(never)]
    fn begin_with_status(recorder: RecorderHandle, host: &'static HostSeries, method: u8) -> Self {
        let active = host.active_by_method(recorder, method);
        if let Some(active) = active {
            active.increment(1.0);
        }
        Self::WithStatus {
            is_active: active.is_some(),
        }
    }

    /// Lowers the gauge and counts a call that is not [`Plain`](Self::Plain). `status` is 0 without a response head.
    #[inline(never)]
    pub(super) fn end_slow(
        self,
        recorder: RecorderHandle,
        (host, view): (&'static HostSeries, &'static ViewSeries),
        (method, status, error): (u8, u16, &'static str),
    ) {
        let Self::WithStatus { is_active } = self else {
            return view.count(recorder);
        };
        if is_active && let Some(active) = host.active_by_method(recorder, method) {
            active.decrement(1.0);
        }
        view.count_with_status(recorder, method, status, error);
    }
}
