//! What is said of the requests that the end of the stop timeout found.

use std::cmp::Reverse;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use campanile_core::in_flight;

use crate::connection::State;

/// Lines that one stop writes at most, for rows and for connections each.
const LINES: usize = 50;

/// Says once what is cut, whoever comes to it first.
#[derive(Debug)]
pub(crate) struct CutLog {
    begun: Once,
    has_rows: AtomicBool,
    connections: AtomicUsize,
}

impl CutLog {
    pub(crate) fn new() -> Self {
        Self {
            begun: Once::new(),
            has_rows: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        }
    }

    /// Names the requests in flight. To be called before any of them is answered, or there is nothing left to name.
    pub(crate) fn begin(&self) {
        self.begun.call_once(|| {
            let mut rows = in_flight::snapshot();
            self.has_rows.store(!rows.is_empty(), Ordering::Relaxed);
            rows.sort_unstable_by_key(|row| Reverse(row.age));
            for row in rows.iter().take(LINES) {
                tracing::warn!(
                    request_id = row.id,
                    route = row.route.unwrap_or("unknown"),
                    age_seconds = row.age.as_secs_f64(),
                    phase = row.phase.as_str(),
                    calling = row.host.unwrap_or(""),
                    "request is cut"
                );
            }
            if rows.len() > LINES {
                tracing::warn!(more = rows.len() - LINES, "and more requests are cut");
            }
        });
    }

    /// Names a connection whose requests no layer keeps a row of, or that is no longer one of requests.
    pub(crate) fn connection(&self, state: &State, requests: usize) {
        if self.has_rows.load(Ordering::Relaxed) && !state.is_upgraded() {
            return;
        }
        match self.connections.fetch_add(1, Ordering::Relaxed) {
            line if line < LINES => tracing::warn!(
                listener = state.site().label.as_str(),
                peer = %state.peer(),
                requests,
                upgraded = state.is_upgraded(),
                age_seconds = state.activity.now().as_secs_f64(),
                "connection is cut"
            ),
            LINES => tracing::warn!("and more connections are cut"),
            _ => {}
        }
    }
}
