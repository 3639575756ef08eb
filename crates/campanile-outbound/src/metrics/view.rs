//! The series of a view of a host.

use std::sync::OnceLock;

use campanile_core::{
    method,
    series::{SeriesKey, SeriesTable},
};
use campanile_metrics::{LazyHandle, RecorderHandle};
use metrics::Counter;

use super::durations::Durations;
use crate::{
    failure::{ErrorType, Failure, TimeoutPhase},
    names::{self, label, labels},
};

/// The series of a view of a host.
pub(crate) struct ViewSeries {
    host: &'static str,
    pub(super) view: &'static str,
    pub(super) folded: bool,
    requests: LazyHandle<Counter>,
    durations: Durations,
    /// By method, status and error type, for layers with status labels.
    with_status: OnceLock<Box<SeriesTable<LazyHandle<Counter>>>>,
    errors: SeriesTable<LazyHandle<Counter>>,
    timeouts: [LazyHandle<Counter>; TimeoutPhase::ALL.len()],
}

impl ViewSeries {
    pub(super) fn new(host: &'static str, view: &'static str, folded: bool) -> Self {
        Self {
            host,
            view,
            folded,
            requests: LazyHandle::new(),
            durations: Durations::default(),
            with_status: OnceLock::new(),
            errors: SeriesTable::new(),
            timeouts: [const { LazyHandle::new() }; TimeoutPhase::ALL.len()],
        }
    }

    #[inline]
    pub(super) fn count(&self, recorder: RecorderHandle) {
        let handle = self.requests.get(recorder, |recorder| {
            names::REQUESTS.register::<Counter>(
                recorder,
                labels([(label::HOST, self.host), (label::VIEW, self.view)]),
            )
        });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }

    /// Counts a call by method, status (0 without a response head) and error type (empty without an error).
    pub(super) fn count_with_status(
        &self,
        recorder: RecorderHandle,
        method: u8,
        status: u16,
        error: &'static str,
    ) {
        let mut digits = [0; 3];
        let status = match status {
            0 => "",
            status => decimal(status, &mut digits),
        };
        let table = self.with_status.get_or_init(Box::default);
        let handle = table
            .get_or_insert(SeriesKey::new(method, status, error), LazyHandle::new)
            .get(recorder, |recorder| {
                names::REQUESTS.register::<Counter>(
                    recorder,
                    labels([
                        (label::HOST, self.host),
                        (label::VIEW, self.view),
                        (label::METHOD, method::name(method)),
                        // Leaked once per series.
                        (label::STATUS, Box::leak(status.into())),
                        (label::ERROR_TYPE, error),
                    ]),
                )
            });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }

    #[inline]
    pub(super) fn record(&self, recorder: RecorderHandle, method: u8, status: u16, seconds: f64) {
        if let Some(handle) = self.durations.get(recorder, method, status, self.host, self.view) {
            handle.record(seconds);
        }
    }

    /// Counts an error. `status` is the code of an [`ErrorType::Http`].
    #[cold]
    pub(super) fn fail(&self, recorder: RecorderHandle, failure: Failure, status: u16) {
        let mut digits = [0; 3];
        let code = match failure.error_type {
            ErrorType::Http => decimal(status, &mut digits),
            _ => failure.code,
        };
        let key = SeriesKey::new(failure.error_type as u8, code, "");
        let handle = self
            .errors
            .get_or_insert(key, LazyHandle::new)
            .get(recorder, |recorder| {
                // Leaked once per series, of which there are as many as codes.
                let code: &'static str = match failure.error_type {
                    ErrorType::Http => Box::leak(code.into()),
                    _ => failure.code,
                };
                names::ERRORS.register::<Counter>(
                    recorder,
                    labels([
                        (label::HOST, self.host),
                        (label::VIEW, self.view),
                        (label::ERROR_TYPE, failure.error_type.as_str()),
                        (label::ERROR_CODE, code),
                    ]),
                )
            });
        if let Some(handle) = handle {
            handle.increment(1);
        }
        if let Some(phase) = failure.timeout {
            self.count_timeout(recorder, phase);
        }
    }

    fn count_timeout(&self, recorder: RecorderHandle, phase: TimeoutPhase) {
        let handle = self.timeouts[phase as usize].get(recorder, |recorder| {
            names::TIMEOUTS.register::<Counter>(
                recorder,
                labels([
                    (label::HOST, self.host),
                    (label::VIEW, self.view),
                    (label::PHASE, phase.as_str()),
                ]),
            )
        });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }
}

/// Formats a status, which has three digits.
pub(super) fn decimal(status: u16, digits: &mut [u8; 3]) -> &str {
    let mut rest = status;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    str::from_utf8(digits).expect("digits are ASCII")
}
