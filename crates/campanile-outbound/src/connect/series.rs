//! The handles of the connections to a host.

use campanile_core::series::{Key, Lazy, SeriesTable};
use metrics::{Counter, Gauge, Histogram};

use crate::{
    metrics::{Table, register_counter, register_gauge, register_histogram},
    names::{self, label},
};

/// The handles of the connections to a host.
#[derive(Default)]
pub(crate) struct ConnectBlock {
    open: Lazy<Gauge>,
    opened: Lazy<Counter>,
    durations: Lazy<Histogram>,
    errors: SeriesTable<Lazy<Counter>>,
}

impl ConnectBlock {
    /// Counts a connection that was opened, and returns the gauge that it stands in while it is open.
    pub(super) fn opened(&self, table: &Table, host: &'static str, seconds: f64) -> Option<&Gauge> {
        let opened = self.opened.get(table.source, |recorder| {
            register_counter(recorder, &names::CONNECTIONS, [(label::HOST, host)])
        });
        if let Some(opened) = opened {
            opened.increment(1);
        }
        let durations = self.durations.get(table.source, |recorder| {
            register_histogram(recorder, &names::CONNECT_DURATION, [(label::HOST, host)])
        });
        if let Some(durations) = durations {
            durations.record(seconds);
        }
        let open = self.open.get(table.source, |recorder| {
            register_gauge(recorder, &names::OPEN_CONNECTIONS, [(label::HOST, host)])
        });
        if let Some(open) = open {
            open.increment(1.0);
        }
        open
    }

    pub(super) fn failed(&self, table: &Table, host: &'static str, code: &'static str) {
        let errors = self.errors.get_or_insert(Key::new(0, code, ""), Lazy::new);
        let errors = errors.get(table.source, |recorder| {
            register_counter(
                recorder,
                &names::CONNECT_ERRORS,
                [(label::HOST, host), (label::ERROR_CODE, code)],
            )
        });
        if let Some(errors) = errors {
            errors.increment(1);
        }
    }
}
