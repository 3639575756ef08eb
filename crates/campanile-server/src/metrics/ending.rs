//! An exchange on its way to its end: what its body carries.

use std::fmt;

use campanile_http::{
    Outcome, RequestContext,
    body::{BodyEnd, How, OnBodyEnd},
    clock::Mark,
    grpc::Code,
    nesting::Identity,
};

use super::layer::Config;
use crate::series::{RouteSeries, RpcSeries, ServerSeries, StatusSeries};

/// An exchange that has not ended. Whoever holds it ends it: the future up to the head, then the body.
///
/// Moves from the one into the other, so it is small: references into tables that stay, and flags. For the same
/// reason nothing is noted in it while the inner service runs, and it has no `Drop` of its own.
pub struct Ending {
    pub(super) table: &'static ServerSeries,
    series: &'static RouteSeries,
    pub(super) status: Option<&'static StatusSeries>,
    pub(super) rpc: Option<&'static RpcSeries>,
    started: Mark,
    /// [`u64::MAX`] where it is not known.
    request_bytes: u64,
    /// What an inner layer tells, in place of what the body's end says.
    pub(super) told: Option<Outcome>,
    pub(super) code: Option<Code>,
    pub(super) is_rpc: bool,
    /// The gauge was raised, so it has to fall; not while there is no recorder.
    active: bool,
    response_duration: bool,
    body_sizes: bool,
}

impl Ending {
    /// Begins an exchange: raises the gauge and reads the clock.
    #[inline(always)]
    pub(super) fn new(config: &Config, series: &'static RouteSeries, request_bytes: Option<u64>) -> Self {
        let mut exchange = Self {
            table: config.table,
            series,
            status: None,
            rpc: None,
            started: Mark::now(),
            request_bytes: request_bytes.unwrap_or(u64::MAX),
            told: None,
            code: None,
            is_rpc: false,
            active: false,
            response_duration: config.limits.response_duration,
            body_sizes: config.limits.body_sizes,
        };
        exchange.enter_series();
        exchange
    }

    /// Identifies the layer, and all others that record to the same recorder: they would count one exchange twice.
    #[inline]
    pub(super) fn identity(&self) -> Identity {
        Identity::of(self.table)
    }

    /// Moves the exchange to the series of its route, which it began without.
    pub(super) fn move_to(&mut self, series: &'static RouteSeries) {
        self.leave_series();
        self.series = series;
        self.enter_series();
    }

    #[inline]
    fn enter_series(&mut self) {
        let gauge = self.series.active(self.table);
        if let Some(gauge) = gauge {
            gauge.increment(1.0);
        }
        self.active = gauge.is_some();
        RequestContext::with_current(|context| {
            if let Some(seat) = context.and_then(RequestContext::seat) {
                seat.set_route(self.series.label);
            }
        });
    }

    #[inline]
    fn leave_series(&mut self) {
        if self.active
            && let Some(gauge) = self.series.active(self.table)
        {
            gauge.decrement(1.0);
        }
    }

    /// Notes the status of the answer's head, and the time to it.
    #[inline]
    pub(super) fn note_status(&mut self, status: http::StatusCode, now: Mark) {
        let status = self.series.status(status);
        self.status = Some(status);
        self.series
            .record_duration(self.table, status, self.started.seconds_until(now));
    }

    /// Ends the exchange without a body.
    #[cold]
    pub(super) fn end_early(&mut self, outcome: Outcome) {
        self.end(outcome, 0);
    }

    fn end(&mut self, outcome: Outcome, bytes: u64) {
        let (table, series) = (self.table, self.series);
        series.count_end(table, self.status, outcome);
        if self.response_duration {
            series.record_response_duration(table, self.started.seconds_until(Mark::now()));
        }
        if self.body_sizes {
            if self.request_bytes != u64::MAX {
                series.record_request_size(table, self.request_bytes);
            }
            if self.status.is_some() {
                series.record_response_size(table, bytes);
            }
        }
        if self.is_rpc {
            self.end_rpc(outcome);
        }
        self.leave_series();
    }

    #[cold]
    fn end_rpc(&self, outcome: Outcome) {
        let code = match outcome {
            Outcome::Cancelled | Outcome::Aborted => self.code.unwrap_or(Code::Cancelled),
            _ => self.code.unwrap_or(Code::Unknown),
        };
        self.rpc
            .unwrap_or_else(|| self.table.unknown_rpc())
            .count(self.table, code);
    }
}

impl OnBodyEnd for Ending {
    fn on_body_end(&mut self, end: BodyEnd<'_>) {
        if let (Some(trailers), true) = (end.trailers, self.is_rpc) {
            self.code = Code::from_headers(trailers).or(self.code);
        }
        let outcome = match end.how {
            How::Complete => self.told.unwrap_or(Outcome::Completed),
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
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
