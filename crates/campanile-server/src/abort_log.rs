//! Logs the requests and connections that are cut at the stop timeout.

use std::cmp::Reverse;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use campanile_core::in_flight;

use crate::connection::ConnectionState;

/// The maximum number of lines for requests, and for connections.
const MAX_LINES: usize = 50;

/// Logs each cut request or connection once.
#[derive(Debug)]
pub(crate) struct AbortLog {
    requests: Once,
    has_requests: AtomicBool,
    connections: AtomicUsize,
}

/// Logs the requests in flight of a process that is ended because all threads of its runtime are blocked.
pub(crate) fn log_stuck_requests() {
    let mut requests = in_flight::snapshot();
    requests.sort_unstable_by_key(|request| Reverse(request.age));
    for request in requests.iter().take(MAX_LINES) {
        tracing::error!(
            request_id = request.id,
            route = request.route.unwrap_or("unknown"),
            age_seconds = request.age.as_secs_f64(),
            phase = request.phase.as_str(),
            calling = request.host.unwrap_or(""),
            "request in flight"
        );
    }
    if requests.len() > MAX_LINES {
        tracing::error!(more = requests.len() - MAX_LINES, "more requests in flight");
    }
}

impl AbortLog {
    pub(crate) fn new() -> Self {
        Self {
            requests: Once::new(),
            has_requests: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        }
    }

    /// Logs the requests in flight. Call it before the first of them is rejected, which removes it from the
    /// table.
    pub(crate) fn log_requests(&self) {
        self.requests.call_once(|| {
            let mut requests = in_flight::snapshot();
            self.has_requests.store(!requests.is_empty(), Ordering::Relaxed);
            requests.sort_unstable_by_key(|request| Reverse(request.age));
            for request in requests.iter().take(MAX_LINES) {
                tracing::warn!(
                    request_id = request.id,
                    route = request.route.unwrap_or("unknown"),
                    age_seconds = request.age.as_secs_f64(),
                    phase = request.phase.as_str(),
                    calling = request.host.unwrap_or(""),
                    "request cut at the stop timeout"
                );
            }
            if let Some(more) = requests.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
                tracing::warn!("{more} more like this were not logged: request cut at the stop timeout");
            }
        });
    }

    /// Logs a connection whose requests are not in the table of requests in flight, or which is upgraded.
    pub(crate) fn log_connection(&self, state: &ConnectionState, requests: usize) {
        if self.has_requests.load(Ordering::Relaxed) && !state.is_upgraded() {
            return;
        }
        if self.connections.fetch_add(1, Ordering::Relaxed) < MAX_LINES {
            tracing::warn!(
                listener = state.context().label.as_str(),
                peer = %state.peer(),
                requests,
                upgraded = state.is_upgraded(),
                age_seconds = state.activity.age().as_secs_f64(),
                "connection cut at the stop timeout"
            );
        }
    }

    /// Logs how many connections were not logged, once all of them are closed.
    pub(crate) fn log_rest(&self) {
        let cut = self.connections.load(Ordering::Relaxed);
        if let Some(more) = cut.checked_sub(MAX_LINES).filter(|more| *more > 0) {
            tracing::warn!("{more} more like this were not logged: connection cut at the stop timeout");
        }
    }
}
