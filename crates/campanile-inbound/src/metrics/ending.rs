//! An exchange on its way to its end: what its body carries.

use std::fmt;

use campanile_core::{
    Outcome, RequestContext,
    body::{BodyEnd, EndReason, OnBodyEnd},
    clock::FastInstant,
    grpc::Code,
    seldom::Seldom,
};
use http::{HeaderMap, StatusCode};

use super::{
    exchange::{self, Exchange},
    notes::{ACTIVE, BODY_SIZES, ENDS_APART, LABELLED, PANICKED, RESPONSE_DURATION, RPC, TOLD_APART},
    settings::Settings,
};
use crate::series::RouteSeries;

impl Exchange {
    /// Moves the exchange to the series of its route, which it began without.
    #[cold]
    pub(super) fn move_to(&mut self, series: &'static RouteSeries) {
        self.leave_series();
        // In between it stands in no gauge, should a recorder panic.
        self.notes.set(ACTIVE, false);
        self.series = series;
        self.notes.set(ACTIVE, enter(self.settings, series));
    }

    #[inline]
    fn leave_series(&self) {
        if self.notes.has(ACTIVE)
            && let Some(gauge) = self.series.active(self.settings.table)
        {
            gauge.decrement(1.0);
        }
    }

    /// Notes the status of the answer's head, and the time to it.
    #[inline]
    pub(super) fn note_status(&mut self, status: StatusCode, now: FastInstant) {
        self.notes.set_status(status);
        let seconds = self.started.seconds_until(now);
        self.series
            .record_duration(self.settings.table, status.as_u16(), seconds);
    }

    /// Counts the exchange: the only place that does.
    #[inline]
    fn end(&self, outcome: Outcome, bytes: u64) {
        let (settings, series, notes) = (self.settings, self.series, self.notes);
        let table = settings.table;
        let status = notes.status();
        series.count_end(table, status, outcome);
        if notes.has(RESPONSE_DURATION) {
            series.record_response_duration(table, self.started.seconds_until(FastInstant::now()));
        }
        if notes.has(BODY_SIZES) {
            if self.request_bytes != u64::MAX {
                series.record_request_size(table, self.request_bytes);
            }
            if status != 0 {
                series.record_response_size(table, bytes);
            }
        }
        if notes.has(ENDS_APART) {
            self.end_apart(outcome, bytes);
        }
        self.leave_series();
    }

    #[cold]
    fn end_apart(&self, outcome: Outcome, bytes: u64) {
        if self.notes.has(LABELLED) {
            self.record_labelled(outcome, bytes);
        }
        if self.notes.has(RPC) {
            self.end_rpc(outcome);
        }
    }

    /// Records times and sizes with status and outcome as labels.
    fn record_labelled(&self, outcome: Outcome, bytes: u64) {
        let labels = (self.notes.status(), outcome);
        let chosen = self.settings.at_end;
        let seconds = chosen
            .response_duration
            .then(|| self.started.seconds_until(FastInstant::now()));
        let request = (chosen.body_sizes && self.request_bytes != u64::MAX).then_some(self.request_bytes);
        let response = (chosen.body_sizes && self.notes.status() != 0).then_some(bytes);
        self.series
            .record_labelled(self.settings.table, labels, seconds, [request, response]);
    }

    fn end_rpc(&self, outcome: Outcome) {
        let table = self.settings.table;
        let unsaid = match outcome {
            Outcome::Cancelled | Outcome::Aborted => Code::Cancelled,
            _ => Code::Unknown,
        };
        self.rpc
            .unwrap_or_else(|| table.unknown_rpc())
            .count(table, self.notes.code().unwrap_or(unsaid));
    }

    #[cold]
    fn note_trailers(&mut self, trailers: &HeaderMap) {
        if let Some(code) = Code::from_headers(trailers) {
            self.notes.set_code(Some(code));
        }
    }
}

/// Ends an exchange that was dropped before the head of its answer.
#[cold]
pub(super) fn end_early(exchange: Box<Exchange>) {
    let panicked = exchange.notes.has(PANICKED);
    let outcome = if panicked {
        Outcome::Panicked
    } else {
        Outcome::Cancelled
    };
    end(exchange, outcome, 0);
}

/// Ends an exchange whose inner service yielded an error.
#[cold]
pub(super) fn fail(exchange: Box<Exchange>) {
    end(exchange, Outcome::Failed, 0);
}

fn end(mut exchange: Box<Exchange>, outcome: Outcome, bytes: u64) {
    exchange.rare = Seldom::nothing();
    exchange.end(outcome, bytes);
    exchange::give_back(exchange);
}

/// Raises the gauge of a route and notes the route in the table of requests in flight; tells whether there is a gauge.
#[inline]
pub(super) fn enter(settings: &Settings, series: &'static RouteSeries) -> bool {
    let gauge = series.active(settings.table);
    if let Some(gauge) = gauge {
        gauge.increment(1.0);
    }
    if let Some(seat) = RequestContext::current_entry() {
        seat.set_route(series.label);
    }
    gauge.is_some()
}

/// An exchange whose answer has its head: ended by the answer's body.
#[derive(Debug)]
pub struct Ending(pub(super) Box<Exchange>);

impl OnBodyEnd for Ending {
    #[inline]
    fn on_body_end(self, end: BodyEnd<'_>) {
        let exchange = self.0;
        if end.how == EndReason::Complete && !exchange.notes.has(TOLD_APART) {
            exchange.end(Outcome::Completed, end.bytes);
            exchange::give_back(exchange);
        } else {
            end_apart(exchange, end);
        }
    }
}

/// Ends an exchange that is no completed one, or may be none.
#[inline(never)]
fn end_apart(mut exchange: Box<Exchange>, body: BodyEnd<'_>) {
    if let (Some(trailers), true) = (body.trailers, exchange.notes.has(RPC)) {
        exchange.note_trailers(trailers);
    }
    let outcome = match body.how {
        EndReason::Complete => exchange.notes.told().unwrap_or(Outcome::Completed),
        EndReason::Failed => Outcome::Failed,
        EndReason::Panicked => Outcome::Panicked,
        _ => Outcome::Aborted,
    };
    end(exchange, outcome, body.bytes);
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("told", &self.notes.told())
            .finish_non_exhaustive()
    }
}
