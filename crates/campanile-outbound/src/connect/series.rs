//! Metric series of the connections to a host.

use campanile_core::series::{SeriesKey, SeriesTable};
use campanile_metrics::LazyHandle;
use metrics::{Counter, Gauge, Histogram};

use crate::{
    metrics::OutboundSeries,
    names::{self, label, labels},
};

/// Metric series of the connections to a host.
#[derive(Default)]
pub(crate) struct ConnectSeries {
    open: LazyHandle<Gauge>,
    opened: LazyHandle<Counter>,
    durations: LazyHandle<Histogram>,
    errors: SeriesTable<LazyHandle<Counter>>,
}

impl ConnectSeries {
    /// Counts an opened connection. Returns the gauge to decrement when it closes.
    pub(super) fn opened(&self, table: &OutboundSeries, host: &'static str, seconds: f64) -> Option<&Gauge> {
        let opened: Option<&Counter> = self.opened.get(table.recorder, |recorder| {
            names::CONNECTIONS.register(recorder, labels([(label::HOST, host)]))
        });
        if let Some(opened) = opened {
            opened.increment(1);
        }
        let durations: Option<&Histogram> = self.durations.get(table.recorder, |recorder| {
            names::CONNECT_DURATION.register(recorder, labels([(label::HOST, host)]))
        });
        if let Some(durations) = durations {
            durations.record(seconds);
        }
        let open: Option<&Gauge> = self.open.get(table.recorder, |recorder| {
            names::OPEN_CONNECTIONS.register(recorder, labels([(label::HOST, host)]))
        });
        if let Some(open) = open {
            open.increment(1.0);
        }
        open
    }

    /// Counts a connection that could not be opened.
    pub(super) fn failed(&self, table: &OutboundSeries, host: &'static str, code: &'static str) {
        let errors = self
            .errors
            .get_or_insert(SeriesKey::new(0, code, ""), LazyHandle::new);
        let errors: Option<&Counter> = errors.get(table.recorder, |recorder| {
            let labels = labels([(label::HOST, host), (label::ERROR_CODE, code)]);
            names::CONNECT_ERRORS.register(recorder, labels)
        });
        if let Some(errors) = errors {
            errors.increment(1);
        }
    }
}
