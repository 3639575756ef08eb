//! An exchange on its way to its end: what its body carries.

use std::fmt;

use campanile_http::{
    Outcome, RequestContext,
    body::{Asked, BodyEnd, How, OnBodyEnd},
    clock::Mark,
    grpc::Code,
};
use http::{HeaderMap, StatusCode};

use super::{
    notes::{ACTIVE, ENDS_APART, LABELLED, Notes, ROUTE_KNOWN, RPC},
    settings::Settings,
};
use crate::series::{RouteSeries, RpcSeries, StatusSeries};

/// An exchange that has not ended. Whoever holds it ends it: the future up to the head, then the body.
///
/// Moves from the one into the other, so it is seven words: references into tables that stay, and numbers. It has no
/// `Drop` of its own.
#[derive(Clone, Copy)]
pub struct Ending {
    pub(super) settings: &'static Settings,
    series: &'static RouteSeries,
    status: Option<&'static StatusSeries>,
    pub(super) rpc: Option<&'static RpcSeries>,
    started: Mark,
    /// [`u64::MAX`] where it is not known.
    request_bytes: u64,
    pub(super) notes: Notes,
}

const _: () = assert!(size_of::<Option<Ending>>() == 56);

impl Ending {
    /// Begins an exchange: raises the gauge and reads the clock.
    #[inline(always)]
    pub(super) fn begin(
        settings: &'static Settings,
        series: &'static RouteSeries,
        rpc: Option<&'static RpcSeries>,
        mut notes: Notes,
        request_bytes: Option<u64>,
    ) -> Self {
        let started = Mark::now();
        notes.set(ACTIVE, enter(settings, series));
        Self {
            settings,
            series,
            status: None,
            rpc,
            started,
            request_bytes: request_bytes.unwrap_or(u64::MAX),
            notes,
        }
    }

    /// Makes what nobody ends.
    pub(super) fn of_nothing(settings: &'static Settings) -> Self {
        let mut notes = Notes::new(0, Asked::Other);
        notes.set(ROUTE_KNOWN, true);
        Self {
            settings,
            series: settings.table.other_route(0),
            status: None,
            rpc: None,
            started: Mark::now(),
            request_bytes: u64::MAX,
            notes,
        }
    }

    /// Moves the exchange to the series of its route, which it began without.
    #[cold]
    pub(super) fn move_to(&mut self, series: &'static RouteSeries) {
        self.leave_series();
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
    pub(super) fn note_status(&mut self, status: StatusCode, now: Mark) {
        let series = self.series.status(status);
        self.status = Some(series);
        self.notes.set_status(status);
        let seconds = self.started.seconds_until(now);
        self.series
            .record_duration(self.settings.table, series, status, seconds);
    }

    /// Counts the exchange: the only place that does.
    pub(super) fn end(&self, outcome: Outcome, bytes: u64) {
        let (settings, series) = (self.settings, self.series);
        let table = settings.table;
        let head = self.status.map(|series| (series, self.notes.status()));
        series.count_end(table, head, outcome);
        if settings.usual.response_duration {
            series.record_response_duration(table, self.started.seconds_until(Mark::now()));
        }
        if settings.usual.body_sizes {
            if self.request_bytes != u64::MAX {
                series.record_request_size(table, self.request_bytes);
            }
            if self.status.is_some() {
                series.record_response_size(table, bytes);
            }
        }
        if self.notes.has(ENDS_APART) {
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
            .then(|| self.started.seconds_until(Mark::now()));
        let request = (chosen.body_sizes && self.request_bytes != u64::MAX).then_some(self.request_bytes);
        let response = (chosen.body_sizes && self.status.is_some()).then_some(bytes);
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

/// Raises the gauge of a route and notes the route in the table of requests in flight; tells whether there is a gauge.
#[inline]
fn enter(settings: &Settings, series: &'static RouteSeries) -> bool {
    let gauge = series.active(settings.table);
    if let Some(gauge) = gauge {
        gauge.increment(1.0);
    }
    RequestContext::with_current(|context| {
        if let Some(seat) = context.and_then(RequestContext::seat) {
            seat.set_route(series.label);
        }
    });
    gauge.is_some()
}

impl OnBodyEnd for Ending {
    #[inline]
    fn on_body_end(&mut self, end: BodyEnd<'_>) {
        if let (Some(trailers), true) = (end.trailers, self.notes.has(RPC)) {
            self.note_trailers(trailers);
        }
        let outcome = match end.how {
            How::Complete => self.notes.told().unwrap_or(Outcome::Completed),
            How::Failed => Outcome::Failed,
            How::Panicked => Outcome::Panicked,
            _ => Outcome::Aborted,
        };
        self.end(outcome, end.bytes);
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending")
            .field("told", &self.notes.told())
            .finish_non_exhaustive()
    }
}
