//! The handles of a view of a host.

use std::sync::OnceLock;

use campanile_core::{
    method,
    series::{Key, Lazy, SeriesTable, Source},
};
use metrics::Counter;

use super::{durations::Durations, register::register_counter};
use crate::{
    failure::{Failure, Phase, Type},
    names::{self, label},
};

/// The handles of a view of a host.
pub(crate) struct ViewBlock {
    host: &'static str,
    pub(super) view: &'static str,
    pub(super) folded: bool,
    requests: Lazy<Counter>,
    durations: Durations,
    /// Where a layer counts them by method, status and error.
    labelled: OnceLock<Box<SeriesTable<Lazy<Counter>>>>,
    errors: SeriesTable<Lazy<Counter>>,
    timeouts: [Lazy<Counter>; Phase::ALL.len()],
}

impl ViewBlock {
    pub(super) fn new(host: &'static str, view: &'static str, folded: bool) -> Self {
        Self {
            host,
            view,
            folded,
            requests: Lazy::new(),
            durations: Durations::default(),
            labelled: OnceLock::new(),
            errors: SeriesTable::new(),
            timeouts: [const { Lazy::new() }; Phase::ALL.len()],
        }
    }

    #[inline]
    pub(super) fn count(&self, source: Source) {
        let handle = self.requests.get(source, |recorder| {
            register_counter(
                recorder,
                &names::REQUESTS,
                [(label::HOST, self.host), (label::VIEW, self.view)],
            )
        });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }

    /// Counts a call by method, status, zero without a head, and the type of its error, if it was one.
    pub(super) fn count_labelled(&self, source: Source, method: u8, status: u16, error: &'static str) {
        let mut digits = [0; 3];
        let status = match status {
            0 => "",
            status => decimal(status, &mut digits),
        };
        let table = self.labelled.get_or_init(Box::default);
        let handle = table
            .get_or_insert(Key::new(method, status, error), Lazy::new)
            .get(source, |recorder| {
                register_counter(
                    recorder,
                    &names::REQUESTS,
                    [
                        (label::HOST, self.host),
                        (label::VIEW, self.view),
                        (label::METHOD, method::name(method)),
                        // Once a series, as the code of an error is.
                        (label::STATUS, Box::leak(status.into())),
                        (label::ERROR_TYPE, error),
                    ],
                )
            });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }

    #[inline]
    pub(super) fn record(&self, source: Source, method: u8, status: u16, seconds: f64) {
        if let Some(handle) = self.durations.get(source, method, status, self.host, self.view) {
            handle.record(seconds);
        }
    }

    /// Counts an error. Its status is that of the answer, for an error that is one.
    #[cold]
    pub(super) fn fail(&self, source: Source, failure: Failure, status: u16) {
        let mut digits = [0; 3];
        let code = match failure.kind {
            Type::Http => decimal(status, &mut digits),
            _ => failure.code,
        };
        let key = Key::new(failure.kind as u8, code, "");
        let handle = self.errors.get_or_insert(key, Lazy::new).get(source, |recorder| {
            // Once a series, and there are as many as there are codes.
            let code: &'static str = match failure.kind {
                Type::Http => Box::leak(code.into()),
                _ => failure.code,
            };
            register_counter(
                recorder,
                &names::ERRORS,
                [
                    (label::HOST, self.host),
                    (label::VIEW, self.view),
                    (label::ERROR_TYPE, failure.kind.as_str()),
                    (label::ERROR_CODE, code),
                ],
            )
        });
        if let Some(handle) = handle {
            handle.increment(1);
        }
        if let Some(phase) = failure.phase {
            self.time_out(source, phase);
        }
    }

    fn time_out(&self, source: Source, phase: Phase) {
        let handle = self.timeouts[phase as usize].get(source, |recorder| {
            register_counter(
                recorder,
                &names::TIMEOUTS,
                [
                    (label::HOST, self.host),
                    (label::VIEW, self.view),
                    (label::PHASE, phase.as_str()),
                ],
            )
        });
        if let Some(handle) = handle {
            handle.increment(1);
        }
    }
}

/// Writes a status, which has three digits.
pub(super) fn decimal(status: u16, digits: &mut [u8; 3]) -> &str {
    let mut rest = status;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    str::from_utf8(digits).expect("digits are ASCII")
}
